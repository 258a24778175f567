//! The integrations that Step Functions made itself, as its developer guide lists them.

/// It can wait for the job that it starts.
const SYNC: u8 = 1;
/// It can wait, and answer JSON instead of text.
const SYNC_2: u8 = 2;
/// It can wait for a task token.
const TOKEN: u8 = 4;

/// An optimised integration.
pub(super) struct Optimised {
    pub(super) service: &'static str,
    pub(super) action: &'static str,
    patterns: u8,
    /// The arguments without which it cannot be called.
    pub(super) required: &'static [&'static str],
}

impl Optimised {
    /// Whether it can be called by this pattern.
    pub(super) fn has(&self, pattern: Option<&str>) -> bool {
        self.patterns().any(|known| known == pattern)
    }

    /// The patterns by which it can be called.
    pub(super) fn patterns(&self) -> impl Iterator<Item = Option<&'static str>> {
        let patterns = self.patterns;
        [(SYNC, "sync"), (SYNC_2, "sync:2"), (TOKEN, "waitForTaskToken")]
            .into_iter()
            .filter(move |(bit, _)| patterns & bit != 0)
            .map(|(_, pattern)| Some(pattern))
            .chain([None])
    }
}

/// The optimised integration of this name.
pub(super) fn find(service: &str, action: &str) -> Option<&'static Optimised> {
    ALL.iter().find(|known| known.service == service && known.action == action)
}

const fn of(
    service: &'static str,
    action: &'static str,
    patterns: u8,
    required: &'static [&'static str],
) -> Optimised {
    Optimised { service, action, patterns, required }
}

/// All of them. The required arguments are those that the service itself requires, but for those
/// that Step Functions fills in. Where AWS's pages do not agree whether there is a pattern, there is.
pub(super) const ALL: &[Optimised] = &[
    of("apigateway", "invoke", TOKEN, &["ApiEndpoint", "Method"]),
    of("athena", "getQueryExecution", 0, &["QueryExecutionId"]),
    of("athena", "getQueryResults", 0, &["QueryExecutionId"]),
    of("athena", "startQueryExecution", SYNC, &["QueryString"]),
    of("athena", "stopQueryExecution", 0, &["QueryExecutionId"]),
    of("batch", "submitJob", SYNC, &["JobName", "JobQueue", "JobDefinition"]),
    of(
        "bedrock",
        "createModelCustomizationJob",
        SYNC,
        &[
            "JobName",
            "CustomModelName",
            "RoleArn",
            "BaseModelIdentifier",
            "TrainingDataConfig",
            "OutputDataConfig",
        ],
    ),
    of("bedrock", "invokeModel", TOKEN, &["ModelId"]),
    of("bedrock-agentcore", "invokeHarness", 0, &["HarnessArn", "RuntimeSessionId", "Messages"]),
    of("codebuild", "batchDeleteBuilds", 0, &["Ids"]),
    of("codebuild", "batchGetReports", 0, &["ReportArns"]),
    of("codebuild", "deleteBuildBatch", 0, &["Id"]),
    of("codebuild", "retryBuildBatch", SYNC, &[]),
    of("codebuild", "startBuild", SYNC, &["ProjectName"]),
    of("codebuild", "startBuildBatch", SYNC, &["ProjectName"]),
    of("codebuild", "stopBuild", 0, &["Id"]),
    of("codebuild", "stopBuildBatch", 0, &["Id"]),
    of("databrew", "startJobRun", SYNC, &["Name"]),
    of("dynamodb", "deleteItem", 0, &["TableName", "Key"]),
    of("dynamodb", "getItem", 0, &["TableName", "Key"]),
    of("dynamodb", "putItem", 0, &["TableName", "Item"]),
    of("dynamodb", "updateItem", 0, &["TableName", "Key"]),
    of("ecs", "runTask", SYNC | TOKEN, &["TaskDefinition"]),
    of(
        "eks",
        "call",
        TOKEN,
        &["ClusterName", "CertificateAuthority", "Endpoint", "Method", "Path"],
    ),
    of("eks", "createCluster", SYNC, &["Name", "RoleArn", "ResourcesVpcConfig"]),
    of(
        "eks",
        "createFargateProfile",
        SYNC,
        &["ClusterName", "FargateProfileName", "PodExecutionRoleArn"],
    ),
    of("eks", "createNodegroup", SYNC, &["ClusterName", "NodegroupName", "Subnets", "NodeRole"]),
    of("eks", "deleteCluster", SYNC, &["Name"]),
    of("eks", "deleteFargateProfile", SYNC, &["ClusterName", "FargateProfileName"]),
    of("eks", "deleteNodegroup", SYNC, &["ClusterName", "NodegroupName"]),
    of("eks", "runJob", SYNC | TOKEN, &["ClusterName", "CertificateAuthority", "Endpoint", "Job"]),
    of("elasticmapreduce", "addStep", SYNC, &["ClusterId", "Step"]),
    of("elasticmapreduce", "cancelStep", 0, &["ClusterId", "StepId"]),
    of("elasticmapreduce", "createCluster", SYNC, &["Name", "Instances"]),
    of(
        "elasticmapreduce",
        "modifyInstanceFleetByName",
        0,
        &["ClusterId", "InstanceFleetName", "InstanceFleet"],
    ),
    of(
        "elasticmapreduce",
        "modifyInstanceGroupByName",
        0,
        &["ClusterId", "InstanceGroupName", "InstanceGroup"],
    ),
    of(
        "elasticmapreduce",
        "setClusterTerminationProtection",
        0,
        &["ClusterId", "TerminationProtected"],
    ),
    of("elasticmapreduce", "terminateCluster", SYNC, &["ClusterId"]),
    of("emr-containers", "createVirtualCluster", 0, &["Name", "ContainerProvider"]),
    of("emr-containers", "deleteVirtualCluster", SYNC, &["Id"]),
    of("emr-containers", "startJobRun", SYNC, &["VirtualClusterId"]),
    of("emr-serverless", "cancelJobRun", SYNC, &["ApplicationId", "JobRunId"]),
    of("emr-serverless", "createApplication", SYNC, &["ReleaseLabel", "Type"]),
    of("emr-serverless", "deleteApplication", SYNC, &["ApplicationId"]),
    of("emr-serverless", "startApplication", SYNC, &["ApplicationId"]),
    of("emr-serverless", "startJobRun", SYNC, &["ApplicationId", "ExecutionRoleArn"]),
    of("emr-serverless", "stopApplication", SYNC, &["ApplicationId"]),
    of("events", "putEvents", TOKEN, &["Entries"]),
    of("glue", "startJobRun", SYNC, &["JobName"]),
    of("http", "invoke", 0, &["ApiEndpoint", "Method"]),
    of("lambda", "invoke", TOKEN, &["FunctionName"]),
    of("mediaconvert", "createJob", SYNC, &["Role", "Settings"]),
    of("sagemaker", "createEndpoint", 0, &["EndpointName", "EndpointConfigName"]),
    of("sagemaker", "createEndpointConfig", 0, &["EndpointConfigName", "ProductionVariants"]),
    of(
        "sagemaker",
        "createHyperParameterTuningJob",
        SYNC,
        &["HyperParameterTuningJobName", "HyperParameterTuningJobConfig"],
    ),
    of(
        "sagemaker",
        "createLabelingJob",
        SYNC,
        &[
            "LabelingJobName",
            "LabelAttributeName",
            "InputConfig",
            "OutputConfig",
            "RoleArn",
            "HumanTaskConfig",
        ],
    ),
    of("sagemaker", "createModel", 0, &["ModelName"]),
    of(
        "sagemaker",
        "createProcessingJob",
        SYNC,
        &["ProcessingJobName", "ProcessingResources", "AppSpecification", "RoleArn"],
    ),
    of("sagemaker", "createTrainingJob", SYNC, &["TrainingJobName", "RoleArn", "OutputDataConfig"]),
    of(
        "sagemaker",
        "createTransformJob",
        SYNC,
        &[
            "TransformJobName",
            "ModelName",
            "TransformInput",
            "TransformOutput",
            "TransformResources",
        ],
    ),
    of("sagemaker", "updateEndpoint", 0, &["EndpointName", "EndpointConfigName"]),
    of("sns", "publish", TOKEN, &["Message"]),
    of("sqs", "sendMessage", TOKEN, &["QueueUrl", "MessageBody"]),
    of("states", "startExecution", SYNC | SYNC_2 | TOKEN, &["StateMachineArn"]),
];
