//! Where passwords stand besides assignments: in commands, calls, connections, lists, declarations.

use super::*;
use crate::secrets::make::Chance;

/// Files with lines in which `@` stands for a password.
const PLACES: &[(&str, &str)] = &[
    ("run.sh", "lftp -u deploy,@ ftp.acme.dev"),
    ("run.sh", "ldapsearch -x -D cn=admin -w @ -b dc=acme"),
    ("run.sh", "redis-cli -h cache.acme.dev -a @ ping"),
    ("map.bat", "net use Z: \\\\srv\\share /user:deploy @"),
    ("run.ps1", "$p = ConvertTo-SecureString \"@\" -AsPlainText -Force"),
    ("init.sql", "CREATE USER 'shop'@'%' IDENTIFIED BY '@';"),
    ("init.sql", "ALTER ROLE shop WITH LOGIN PASSWORD '@';"),
    ("a.json", "{ \"db\": \"Data Source=db.acme.dev;User ID=shop;Pwd=@;Encrypt=true\" }"),
    ("a.py", "connect(\"host=db.acme.dev dbname=shop user=app password=@\")"),
    ("a.go", "const dsn = \"app:@@tcp(db.acme.dev:3306)/shop\""),
    ("a.properties", "url=jdbc:oracle:thin:app/@@db.acme.dev:1521:ORCL"),
    ("A.java", "DriverManager.getConnection(url, \"app\", \"@\");"),
    ("a.py", "requests.get(url, auth=('app', '@'))"),
    ("a.py", "server.login('app@acme.dev', '@')"),
    ("a.py", "parser.add_argument('--db_password', default='@')"),
    ("a.h", "#define DB_PASSWORD \"@\""),
    ("Dockerfile", "ENV DB_PASSWORD @"),
    ("sys.config", "{db_password, \"@\"},"),
    ("a.edn", "{:port 1 :db-password \"@\"}"),
    ("a.plist", "<key>dbPassword</key>\n<string>@</string>"),
    ("a.yml", "api_keys:\n  - @\nother: 1"),
    ("wpa_supplicant.conf", "network={\n  psk=\"@\"\n}"),
    ("NOTES.md", "Login: app / Password: @"),
];

#[test]
fn passwords_are_found_wherever_they_stand() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.expect("after 1970").as_secs();
    let mut chance = Chance::new(seed);
    for (path, line) in PLACES {
        // The last one: an address may have such a sign too.
        let line = match line.strip_prefix("CREATE USER 'shop'@") {
            Some(rest) => format!("CREATE USER 'shop'\u{1}{rest}"),
            None => line.replace("@acme", "\u{1}acme").replace("@@", "@\u{1}"),
        };
        let with = |value: &str| line.replace('@', value).replace('\u{1}', "@");
        let text = with(&chance.password(18));
        let high = found(path, &text).iter().filter(|f| f.1 >= Severity::High).count();
        assert_eq!(high, 1, "{path}: {text} (seed {seed}): {:?}", found(path, &text));
        for value in ["changeme", "<password>", "${DB_PASSWORD}", "%(password)s"] {
            let text = with(value);
            assert_eq!(codes(path, &text), [""; 0], "{path}: {text}");
        }
    }
}

#[test]
fn what_has_the_beginning_of_a_template_and_no_end_is_a_value() {
    for value in [
        "%tjtrP2pnLZUUkg8",
        "i_ecf=uh9*n-2(5dpwx-rimsq26^@%4s##gt7zh^$(+b^!n#9",
        "@6B*L72EJNzXLad!",
    ] {
        let text = format!("password = {value}\n");
        assert_eq!(codes("my.ini", &text).len(), 1, "{text}");
    }
    for value in ["%(password)s", "$(cat /run/secret1)", "{{ vault_pass_9 }}", "@PASSWORD2@"] {
        let text = format!("password = {value}\n");
        assert_eq!(codes("my.ini", &text), [""; 0], "{text}");
    }
}
