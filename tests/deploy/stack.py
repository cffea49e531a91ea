"""A stage deployed with CloudFormation, by the commands that `make package` prints."""

from tests.deploy.cloud import Cloud
from tests.deploy.project import Project, succeeded
from tests.support.needs import cfn_tool

NAME = "user-management-prod"
BUCKET = "code"
TEMPLATE = "build/prod/cloudformation/template.yaml"
PACKAGED = "build/prod/cloudformation/packaged.yaml"


def deploy(project: Project, cloud: Cloud, *choice: str) -> str:
    """Package and deploy with the commands that `make package` prints; return the API's id."""
    succeeded(project.deployment("package", "prod", *choice))
    return deploy_package(project, cloud)


def deploy_package(project: Project, cloud: Cloud) -> str:
    """Deploy what was packaged; return the API's id."""
    bucket = ("--s3-bucket", BUCKET)
    aws = (*cfn_tool("aws"), "cloudformation")
    package = (*aws, "package", *bucket, "--template-file", TEMPLATE)
    succeeded(project.run(*package, "--output-template-file", PACKAGED, **cloud.variables))
    stack = (*aws, "deploy", *bucket, "--template-file", PACKAGED, "--stack-name", NAME)
    succeeded(project.run(*stack, "--capabilities", "CAPABILITY_IAM", **cloud.variables))
    [deployed] = cloud.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in deployed["Outputs"]}
    assert outputs.get("TableName", NAME) == NAME
    assert outputs["EndpointURL"].endswith("/prod/")
    return str(outputs["RestAPIId"])
