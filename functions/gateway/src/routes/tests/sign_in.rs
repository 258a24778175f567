//! Browsers: signing in and out, and the buttons of pages.

use axum::http::HeaderMap;
use pact_contract::{RunStatus, access::Scope};

use super::{
    doors::{bearing, token},
    *,
};

const HOST: &str = "pact.example.com";
const OWN: &str = "https://pact.example.com";
const EVIL: &str = "https://evil.example";

/// Sends it and gives status, headers and the address that is shown next.
async fn browse(gateway: &Gateway, request: Request<Body>) -> (u16, HeaderMap, String) {
    let response = router(gateway.clone()).oneshot(request).await.unwrap();
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (response.status().as_u16(), response.headers().clone(), to.unwrap_or_default())
}

/// A form that a page of `origin` makes a browser send.
fn form(path: &str, origin: &str, cookie: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::post(path)
        .header("host", HOST)
        .header("origin", origin)
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.body(body.to_owned().into()).unwrap()
}

/// The cookie of a browser that Ada signed in, and what its pages know.
async fn signed_in(world: &Arc<World>, scopes: &[Scope]) -> (String, String) {
    let (token, _) = token(world, scopes, 1).await;
    let gateway = world.gateway();
    let request = form("/v1/session", OWN, None, &format!("token={token}"));
    let (status, headers, to) = browse(&gateway, request).await;
    assert_eq!((status, to.as_str()), (303, "/"));
    let set = headers["set-cookie"].to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("Secure") && set.contains("SameSite=Lax"));
    let cookie = set.split(';').next().unwrap().to_owned();
    let request = Request::get("/v1/caller").header("host", HOST).header("cookie", &cookie);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let who = gateway.ports.doors.identify(&parts).await.unwrap();
    (cookie, who.csrf().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_or_a_code_signs_a_browser_in_and_nothing_else_does() {
    let world = World::new();
    let gateway = world.gateway();
    let (ada, _) = token(&world, &[Scope::Read], 1).await;
    let (status, made) = send(&gateway, bearing(&ada, "POST", "/v1/sign-in-codes", "")).await;
    assert_eq!((status, &made["owner"]), (200, &json!("ada")));
    let code = made["code"].as_str().unwrap();
    assert_eq!(made["url"], json!(format!("{OWN}/sign-in?code={code}")));
    let by_code = format!("code={code}&next=%2Fruns%2Fx");
    // Another page would sign the browser in as somebody else.
    for origin in [EVIL, "null"] {
        let (status, headers, to) =
            browse(&gateway, form("/v1/session", origin, None, &by_code)).await;
        assert_eq!(status, 303);
        assert!(to.starts_with("/sign-in?refused=not_from_a_page"), "{to}");
        assert!(!headers.contains_key("set-cookie"));
    }
    let (_, headers, to) = browse(&gateway, form("/v1/session", OWN, None, &by_code)).await;
    assert!(headers.contains_key("set-cookie") && to == "/runs/x", "{to}");
    for body in [
        by_code.as_str(),
        "code=0",
        "token=wrong",
        "",
        &format!("token={ada}&code={code}"),
        &format!("token={ada}&token={ada}"),
    ] {
        let (status, headers, to) = browse(&gateway, form("/v1/session", OWN, None, body)).await;
        assert!(status == 303 && to.starts_with("/sign-in?refused="), "{body}: {to}");
        assert!(!headers.contains_key("set-cookie"), "{body}");
    }
    let away = format!("token={ada}&next=https%3A%2F%2Fevil.example");
    let (_, _, to) = browse(&gateway, form("/v1/session", OWN, None, &away)).await;
    assert_eq!(to, "/");
    let body = json!({ "token": ada }).to_string();
    let (status, body) = send(&gateway, api("POST", "/v1/session", &body)).await;
    assert_eq!((status, &body["scopes"]), (200, &json!(["read"])));
}

#[tokio::test]
async fn who_signs_out_is_signed_out() {
    let world = World::new();
    let (cookie, _) = signed_in(&world, &[Scope::Read]).await;
    let gateway = world.gateway();
    let me = || {
        let request = Request::get("/v1/caller").header("host", HOST).header("cookie", &cookie);
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(send(&gateway, me()).await.0, 200);
    assert_eq!(browse(&gateway, form("/v1/session/end", EVIL, Some(&cookie), "")).await.0, 403);
    assert_eq!(send(&gateway, me()).await.0, 200);
    let (status, headers, to) =
        browse(&gateway, form("/v1/session/end", OWN, Some(&cookie), "")).await;
    assert_eq!((status, to.as_str()), (303, "/sign-in"));
    assert!(headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(send(&gateway, me()).await.0, 401);
}

#[tokio::test]
async fn a_button_does_what_its_route_does_and_no_other_page_presses_it() {
    let world = World::new();
    let id = started(&world).await;
    people::opened(&world, &id, "token-1").await;
    let all = [Scope::Read, Scope::Approve, Scope::Operate];
    let (cookie, csrf) = signed_in(&world, &all).await;
    let gateway = world.gateway();
    let path = format!("/v1/runs/{id}/answers");
    let yes = |csrf: &str| {
        format!("csrf={csrf}&next=%2Fruns%2F{id}&state=AwaitApproval&reason=&approved=true")
    };
    let page = format!("/runs/{id}");
    for (origin, csrf) in [
        (EVIL, csrf.as_str()),
        ("null", csrf.as_str()),
        (OWN, ""),
        (OWN, &csrf[1..]),
        (OWN, cookie.split('=').nth(1).unwrap()),
    ] {
        let request = form(&path, origin, Some(&cookie), &yes(csrf));
        let (status, _, to) = browse(&gateway, request).await;
        assert_eq!((status, to), (303, format!("{page}?refused=not_from_a_page")));
    }
    // The cookie alone, with JSON, is not enough either.
    let json = Request::post(&path).header("host", HOST).header("cookie", &cookie);
    let json = json.body(r#"{"approved": true}"#.into()).unwrap();
    assert_eq!(send(&gateway, json).await.0, 403);
    let (status, _, to) = browse(&gateway, form(&path, OWN, None, &yes(&csrf))).await;
    assert_eq!((status, to), (303, format!("/sign-in?next=%2Fruns%2F{id}")));
    assert!(world.state().answers.is_empty());

    let (status, _, to) = browse(&gateway, form(&path, OWN, Some(&cookie), &yes(&csrf))).await;
    assert_eq!((status, to.as_str()), (303, page.as_str()));
    let heard = json!({ "approved": true, "by": "ada", "reason": null });
    assert_eq!(world.state().answers["token-1"], heard);
    let again = form(&path, OWN, Some(&cookie), &yes(&csrf));
    assert_eq!(browse(&gateway, again).await.2, format!("{page}?refused=answered"));

    // Without the scope the button is of no use.
    let rerun = format!("/v1/runs/{id}/rerun");
    let body = format!("csrf={csrf}&next=%2Fruns%2F{id}");
    let (_, _, to) = browse(&gateway, form(&rerun, OWN, Some(&cookie), &body)).await;
    assert_eq!(to, format!("{page}?refused=scope_missing"));
    let cancel = format!("/v1/runs/{id}/cancel");
    let body = format!("csrf={csrf}&next=%2F&reason=a+wrong+branch");
    let (_, _, to) = browse(&gateway, form(&cancel, OWN, Some(&cookie), &body)).await;
    assert_eq!(to, page);
    let run = world.state().runs[id.as_str()].clone();
    let reason = run.outcome.unwrap().reason;
    assert_eq!(reason, "cancelled on request of ada: a wrong branch");
}

#[tokio::test]
async fn a_run_that_ended_runs_again_in_its_place() {
    let world = World::new();
    let id = started(&world).await;
    let (cookie, csrf) = signed_in(&world, &[Scope::Read, Scope::Trigger]).await;
    let gateway = world.gateway();
    let press = |id: &str| {
        let body = format!("csrf={csrf}&next=%2Fruns%2F{id}");
        form(&format!("/v1/runs/{id}/rerun"), OWN, Some(&cookie), &body)
    };
    let (_, _, to) = browse(&gateway, press(&id)).await;
    assert_eq!(to, format!("/runs/{id}?refused=run_active"));
    world.state().runs.get_mut(id.as_str()).unwrap().status = RunStatus::Failed;
    let (status, _, to) = browse(&gateway, press(&id)).await;
    assert_eq!((status, to), (303, format!("/runs/{id}-1")));
    after(&gateway).await;
    let again = world.state().runs[&*format!("{id}-1")].clone().request;
    let first = world.state().runs[id.as_str()].clone().request;
    assert_eq!(
        (again.place, &again.commit, &again.base),
        (first.place, &first.commit, &first.base)
    );
    assert_eq!(again.trigger.actor.as_deref(), Some("ada"));
    assert!(world.state().executions.contains_key(&format!("{id}-1")));
    let (_, _, to) = browse(&gateway, press("none")).await;
    assert_eq!(to, "/runs/none?refused=not_found");
}
