use crate::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: local, AllowedValues: [local, prod]}
  Watch: {Type: String, Default: rate(5 minutes)}
  Names: {Type: CommaDelimitedList, Default: "a, b"}
Mappings:
  Limits:
    local: {Memory: 256}
    prod: {Memory: 1024}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  NotProd: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Equals [!Ref Stage, local]]
Globals:
  Function:
    Timeout: 30
    Runtime: provided.al2023
    Environment:
      Variables:
        TABLE: !Ref Runs
        EMPTY: ''
        MODE: global
Resources:
  Runs:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: sk, AttributeType: S}
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
        - {AttributeName: sk, KeyType: RANGE}
      GlobalSecondaryIndexes:
        - IndexName: gsi1
          KeySchema: [{AttributeName: sk, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
  Artifacts:
    Type: AWS::S3::Bucket
  Api:
    Type: AWS::Serverless::HttpApi
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub '/aws/${AWS::StackName}'}
  Gateway:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: gateway}}
    Properties:
      CodeUri: ..
      Handler: bootstrap
      MemorySize: !FindInMap [Limits, !Ref Stage, Memory]
      ReservedConcurrentExecutions: 4
      Environment:
        Variables:
          MODE: own
          MACHINE: !Ref Pipeline
          MACHINE_ARN: !GetAtt Pipeline.Arn
          URL: !Sub ['s3://${Artifacts}/${x}', {x: !Select [1, !Ref Names]}]
          BUCKET: !Join ['', ['arn:', !Ref Artifacts]]
          PROD_ONLY: !If [IsProd, 'yes', !Ref AWS::NoValue]
          LOG: {'Fn::GetAtt': [Logs, Arn]}
          HOST: !Sub '${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${!literal}'
          COUNT: 3
          FLAG: true
      Policies:
        - DynamoDBCrudPolicy: {TableName: !Ref Runs}
      Events:
        Hook: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: /webhooks/github}}
        Run: {Type: HttpApi, Properties: {Method: GET, Path: '/v1/runs/{id}'}}
        Rest: {Type: HttpApi}
        Ended:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [aws.states]
              detail: {stateMachineArn: [!GetAtt Pipeline.Arn], status: [ABORTED, TIMED_OUT]}
        Queue: {Type: SQS, Properties: {Queue: arn}}
        Tick: {Type: Schedule, Properties: {Schedule: !Ref Watch, Input: '{"a": 1}', Enabled: false}}
  OnlyProd:
    Type: AWS::Serverless::Function
    Condition: IsProd
    Properties: {CodeUri: .., FunctionName: fixed}
  Pipeline:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub '${AWS::StackName}-pipeline'
      DefinitionUri: ../state-machines/pipeline.asl.json
      DefinitionSubstitutions:
        Gateway: !GetAtt Gateway.Arn
        Table: !Ref Runs
      Policies: [{LambdaInvokePolicy: {FunctionName: !Ref Gateway}}]
      Events:
        Nightly:
          Type: ScheduleV2
          Properties: {ScheduleExpression: cron(0 3 * * ? *), Name: nightly}
  Timer:
    Type: AWS::Scheduler::Schedule
    Properties:
      ScheduleExpression: rate(1 hour)
      FlexibleTimeWindow: {Mode: 'OFF'}
      Target: {Arn: !GetAtt Pipeline.Arn, RoleArn: !GetAtt PipelineRole.Arn, Input: '{}'}
Outputs:
  Endpoint: {Value: !GetAtt Api.ApiEndpoint}
  Prod: {Condition: IsProd, Value: x}
"#;

fn context() -> Context {
    Context {
        parameters: BTreeMap::new(),
        region: "eu-west-1".into(),
        account: "000000000000".into(),
        stack_name: "pact".into(),
    }
}

fn load_text(text: &str) -> Result<Stack, Vec<String>> {
    load(text, Path::new("t.yaml"), &context())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_whole_template() {
    let stack = load_text(TEMPLATE).unwrap();
    let [gateway] = &stack.functions[..] else { panic!("{:?}", stack.functions) };
    assert_eq!(gateway.name, "pact-Gateway");
    assert_eq!(gateway.arn, "arn:aws:lambda:eu-west-1:000000000000:function:pact-Gateway");
    assert_eq!((gateway.timeout_seconds, gateway.memory_mb), (30, 256));
    assert_eq!(gateway.reserved_concurrency, Some(4));
    assert_eq!((gateway.code_uri.as_str(), gateway.handler.as_str()), ("..", "bootstrap"));
    assert_eq!(gateway.metadata["BuildProperties"]["Binary"], "gateway");
    let machine = "arn:aws:states:eu-west-1:000000000000:stateMachine:pact-pipeline";
    let expected = [
        ("BUCKET", "arn:pact-artifacts"),
        ("COUNT", "3"),
        ("EMPTY", ""),
        ("FLAG", "true"),
        ("HOST", "api.execute-api.eu-west-1.amazonaws.com/${literal}"),
        ("LOG", "arn:aws:logs:eu-west-1:000000000000:log-group:/aws/pact:*"),
        ("MACHINE", machine),
        ("MACHINE_ARN", machine),
        ("MODE", "own"),
        ("TABLE", "pact-Runs"),
        ("URL", "s3://pact-artifacts/b"),
    ];
    let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(gateway.environment, BTreeMap::from(expected));

    let [table] = &stack.tables[..] else { panic!() };
    assert_eq!(table.arn, "arn:aws:dynamodb:eu-west-1:000000000000:table/pact-Runs");
    assert_eq!(table.ttl_attribute.as_deref(), Some("ttl"));
    assert_eq!(table.create["TableName"], "pact-Runs");
    assert_eq!(table.create["GlobalSecondaryIndexes"][0]["IndexName"], "gsi1");
    assert!(table.create.get("PointInTimeRecoverySpecification").is_none());
    assert!(table.create.get("TimeToLiveSpecification").is_none());

    let [pipeline] = &stack.state_machines[..] else { panic!() };
    assert_eq!((pipeline.arn.as_str(), pipeline.kind.as_str()), (machine, "STANDARD"));
    assert_eq!(pipeline.substitutions["Gateway"], gateway.arn);

    let route =
        |m: &str, p: &str| Route { method: m.into(), path: p.into(), function: "Gateway".into() };
    assert_eq!(
        stack.routes,
        [
            route("POST", "/webhooks/github"),
            route("GET", "/v1/runs/{id}"),
            route("ANY", "$default")
        ]
    );

    let schedule = |name: &str, expression: &str, target, input, enabled| Schedule {
        name: name.into(),
        expression: expression.into(),
        target,
        input,
        enabled,
    };
    let pipeline_target = Target::StateMachine("Pipeline".into());
    let gateway_target = Target::Function("Gateway".into());
    assert_eq!(
        stack.schedules,
        [
            schedule(
                "pact-GatewayTick",
                "rate(5 minutes)",
                gateway_target.clone(),
                Some(json!({"a": 1})),
                false
            ),
            schedule("nightly", "cron(0 3 * * ? *)", pipeline_target.clone(), None, true),
            schedule("pact-Timer", "rate(1 hour)", pipeline_target, Some(json!({})), true),
        ]
    );
    let [rule] = &stack.rules[..] else { panic!() };
    assert_eq!((rule.name.as_str(), &rule.target), ("pact-GatewayEnded", &gateway_target));
    let event = json!({"source": "aws.states", "detail": {"stateMachineArn": machine, "status": "ABORTED"}});
    assert!(matches(&rule.pattern, &event));
    assert_eq!(
        stack.outputs,
        BTreeMap::from([(
            "Endpoint".to_owned(),
            "https://api.execute-api.eu-west-1.amazonaws.com".to_owned()
        )])
    );
    assert!(stack.ignored.contains(&"Gateway: event Queue of type SQS".to_owned()));
}

#[test]
fn parameters_override_and_conditions_follow() {
    let mut context = context();
    context.parameters.insert("Stage".into(), "prod".into());
    let stack = load(TEMPLATE, Path::new("t.yaml"), &context).unwrap();
    assert_eq!(
        stack.functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["pact-Gateway", "fixed"]
    );
    assert_eq!(stack.functions[0].environment["PROD_ONLY"], "yes");
    assert_eq!(stack.functions[0].memory_mb, 1024);
    assert_eq!(stack.outputs["Prod"], "x");
    context.parameters.insert("Stage".into(), "other".into());
    context.parameters.insert("Stge".into(), "x".into());
    let errors = load(TEMPLATE, Path::new("t.yaml"), &context).unwrap_err();
    let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("Stge, which is not a parameter"), "{text}");
    assert!(text.contains("\"other\" is not an allowed value of Stage"), "{text}");
}

#[test]
fn every_fault_at_once_with_its_line() {
    let errors = load_text(
        "Parameters:
  Needed: {Type: String}
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Timeout: 9000
      Enviroment: {}
      Environment:
        Variables:
          ONE: !Ref Nowhere
          TWO: !GetAtt B.Arn
          THREE: !Sub '${AWS::Reggion}'
          FOUR: [a]
          FIVE: !GetAtt A.Color
      Events:
        X: {Type: Schedule, Properties: {Schedule: rate(5 minute)}}
        Y: {Type: HttpApi, Properties: {Path: runs, Method: GET}}
        Z: {Type: Nothing}
  Queue:
    Type: AWS::SQS::Queue
    DependsOn: Gone
    Properties: {KmsMasterKeyId: !Ref Missing}
  Loop:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub '${Loop}-x'}
  T:
    Type: AWS::DynamoDB::Table
    Properties: {KeySchema: []}
Outputs:
  O: {Value: !Ref Loop}
Extra: {}
",
    )
    .unwrap_err();
    let expected = [
        "t.yaml:2: Parameters: the parameter Needed has no default",
        "t.yaml:8: A: Timeout must be a whole number from 1 to 900",
        "t.yaml:9: A: AWS::Serverless::Function has no property Enviroment",
        "t.yaml:12: A: Nowhere is neither",
        "t.yaml:13: A: B is neither",
        "AWS::Reggion",
        "t.yaml:16: A: A (AWS::Serverless::Function) has no attribute Color",
        "t.yaml:18: A: rate(5 minute)",
        "t.yaml:19: A: the path \"runs\"",
        "t.yaml:20: A: \"Nothing\" is no event type",
        "DependsOn names \"Gone\"",
        "t.yaml:24: Queue: Missing is neither",
        "the name of Loop depends on itself",
        "T: the table has no AttributeDefinitions",
        "Extra: unknown section",
    ];
    for part in expected {
        assert!(errors.iter().any(|e| e.contains(part)), "{part} is not in\n{}", errors.join("\n"));
    }
}

#[test]
fn the_long_forms_work_in_json_templates() {
    let stack = load_text(
        r#"{"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {
            "CodeUri": "x", "FunctionName": {"Fn::Join": ["-", [{"Ref": "AWS::StackName"}, "f"]]},
            "Environment": {"Variables": {"A": {"Fn::Base64": "hello"},
                "B": {"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}}}}}}}"#,
    )
    .unwrap();
    assert_eq!(stack.functions[0].name, "pact-f");
    assert_eq!(stack.functions[0].environment["A"], "aGVsbG8=");
    assert_eq!(stack.functions[0].environment["B"], "y");
}

proptest! {
    #[test]
    fn hostile_text_never_panics(text in "[ -~\n]{0,200}") {
        load(&text, Path::new("t"), &context()).ok();
    }

    #[test]
    fn mutated_templates_never_panic(at in 0usize..4000, with in "[ -~\n]{0,6}") {
        let mut text = TEMPLATE.to_owned();
        let at = at.min(text.len() - 1);
        text.replace_range(at..=at, &with);
        load(&text, Path::new("t"), &context()).ok();
    }
}

#[test]
fn roles_are_read_with_the_statements_that_exist() {
    let text = r#"
Transform: AWS::Serverless-2016-10-31
Parameters: {Mount: {Type: String, Default: ''}}
Conditions: {Mounted: !Not [!Equals [!Ref Mount, '']]}
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ., Role: !GetAtt WorkRole.Arn}
  WorkRole:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]
      Policies:
        - PolicyName: one
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: s3:GetObject, Resource: !Sub 'arn:${AWS::Partition}:s3:::x/*'}
              - !If [Mounted, {Effect: Allow, Action: 'efs:*', Resource: '*'}, !Ref AWS::NoValue]
"#;
    let stack = load_text(text).unwrap();
    let role = &stack.roles[0];
    assert_eq!(stack.functions[0].role.as_ref(), Some(&role.arn));
    assert_eq!(role.arn, "arn:aws:iam::000000000000:role/pact-WorkRole");
    assert_eq!(role.managed, ["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    assert_eq!(
        role.statements,
        [json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::x/*"})]
    );

    let without = text.replace("            Statement:", "            Other:");
    assert!(load_text(&without).unwrap_err()[0].contains("the policy has no Statement"));
}
