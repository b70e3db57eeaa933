use serde_json::{Value, json};
use supabase::{AccessToken, Supabase};

use crate::server::{ANON_JWT, SERVICE_JWT, Scripted, Server};

fn token() -> AccessToken {
    AccessToken::parse("user.user.user").unwrap()
}

#[tokio::test]
async fn the_service_sends_an_older_key_twice_and_a_newer_one_only_as_apikey() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;

    let older = server.supabase();
    let _: Option<Value> = older.as_service().from("things").fetch_optional().await.unwrap();
    let newer = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let _: Option<Value> = newer.as_service().from("things").fetch_optional().await.unwrap();

    let [first, second] = &server.seen()[..] else {
        panic!("two requests")
    };
    assert_eq!(first.header("apikey"), Some(SERVICE_JWT));
    assert_eq!(
        first.header("authorization"),
        Some("Bearer service.service.service")
    );
    assert_eq!(second.header("apikey"), Some("sb_secret_y"));
    assert_eq!(second.header("authorization"), None);
}

#[tokio::test]
async fn a_user_sends_the_anon_key_and_their_own_token() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;

    let _: Option<Value> = server
        .supabase()
        .as_user(&token())
        .from("things")
        .fetch_optional()
        .await
        .unwrap();
    let newer = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let _: Value = newer.as_user(&token()).rpc("who", &json!({})).await.unwrap();

    let [first, second] = &server.seen()[..] else {
        panic!("two requests")
    };
    assert_eq!(first.header("apikey"), Some(ANON_JWT));
    assert_eq!(first.header("authorization"), Some("Bearer user.user.user"));
    assert_eq!(second.header("apikey"), Some("sb_publishable_x"));
    assert_eq!(second.header("authorization"), Some("Bearer user.user.user"));
}

#[tokio::test]
async fn a_function_is_called_with_json_and_its_result_read() {
    let server = Server::answering(Scripted::json(200, &json!({"n": 3}))).await;

    let result: Value = server
        .supabase()
        .as_service()
        .rpc("store_it", &json!({"payload": [1, 2]}))
        .await
        .unwrap();

    assert_eq!(result, json!({"n": 3}));
    let request = server.only_request();
    assert_eq!(
        (request.method.as_str(), request.uri.path()),
        ("POST", "/rest/v1/rpc/store_it")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, r#"{"payload":[1,2]}"#);
}

#[tokio::test]
async fn serialised_arguments_are_sent_as_they_are_and_no_result_is_a_result() {
    let server = Server::answering(Scripted {
        status: 204,
        ..Scripted::default()
    })
    .await;

    let body: &'static [u8] = br#"{ "payload" : 1.50 }"#;
    let () = server
        .supabase()
        .as_service()
        .rpc_body("store_it", body)
        .await
        .unwrap();

    let request = server.only_request();
    assert_eq!(request.body, r#"{ "payload" : 1.50 }"#);
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_project_below_a_path_or_with_a_slash_at_the_end_is_found() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    for base in ["/", "/below", "/below/"] {
        let config = supabase::Config {
            url: format!("{}{base}", server.url),
            anon_key: ANON_JWT.into(),
            service_role_key: SERVICE_JWT.into(),
        };
        let supabase = Supabase::new(&config, crate::server::http_client()).unwrap();
        let _: Option<Value> = supabase
            .as_service()
            .from("things")
            .fetch_optional()
            .await
            .unwrap();
    }
    let paths: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.uri.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/rest/v1/things",
            "/below/rest/v1/things",
            "/below/rest/v1/things"
        ]
    );
}

#[tokio::test]
async fn a_read_is_written_as_postgrest_expects_it() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    let id = uuid::Uuid::from_u128(7);

    let _: Option<Value> = server
        .supabase()
        .as_service()
        .from("contacts")
        .select("id,name,labels(name)")
        .eq("tenant_id", id)
        .eq("name", "a.b,c(d)&x=y")
        .fetch_optional()
        .await
        .unwrap();

    let request = server.only_request();
    assert_eq!(
        (request.method.as_str(), request.uri.path()),
        ("GET", "/rest/v1/contacts")
    );
    assert_eq!(request.header("prefer"), None);
    let expected = [
        ("select", "id,name,labels(name)"),
        ("tenant_id", "eq.00000000-0000-0000-0000-000000000007"),
        ("name", "eq.a.b,c(d)&x=y"),
        ("limit", "1"),
    ];
    let query = request.query();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(query, expected);
}

#[tokio::test]
async fn an_optional_row_may_be_absent() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    let supabase = server.supabase();
    let read = || supabase.as_service().from("n").eq("id", 1).fetch_optional();
    let none: Option<Value> = read().await.unwrap();
    assert_eq!(none, None);

    server.answers_from_now_on(Scripted::json(200, &json!([{"id": 1}])));
    let row: Option<Value> = read().await.unwrap();
    assert_eq!(row, Some(json!({"id": 1})));
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.uri.query() == Some("id=eq.1&limit=1"))
    );
}
