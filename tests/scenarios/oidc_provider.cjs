// An OpenID Connect provider with three people, who agree to everything. It prints its issuer.
// GET /as?who=NAME: whose browser it is from then on. GET /client?redirect=URL: its one client.

const http = require("http");
const { Provider } = require("oidc-provider");

const people = {
  ada: { email: "Ada@example.org", email_verified: true, groups: ["ops"] },
  eve: { email: "eve@evil.example", email_verified: true, groups: [] },
  mallory: { email: "mallory@example.org", email_verified: false, groups: [] },
};
let who = "ada";
let provider;

const configuration = (redirect) => ({
  clients: [{ client_id: "pact", client_secret: "s+cr:t", redirect_uris: [redirect] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});

async function agree(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  let result = { login: { accountId: who } };
  if (prompt.name === "consent") {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope("openid email groups");
    result = { consent: { grantId: await grant.save() } };
  }
  const mergeWithLastSubmission = prompt.name === "consent";
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://none");
  if (url.pathname === "/as") {
    who = url.searchParams.get("who");
    response.end();
  } else if (url.pathname === "/client") {
    const issuer = `http://127.0.0.1:${server.address().port}`;
    provider = new Provider(issuer, configuration(url.searchParams.get("redirect")));
    response.end();
  } else if (url.pathname.startsWith("/interaction/")) {
    agree(request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
  } else {
    provider.callback()(request, response);
  }
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
// It ends with whoever started it.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
