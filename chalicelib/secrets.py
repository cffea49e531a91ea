"""Secrets by reference: the values of AWS Systems Manager parameters."""


def read_parameter(name: str) -> str:
    """Return the decrypted value of the parameter `name`.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
    """
    import boto3  # noqa: PLC0415 - imported where a secret is needed, not at each cold start

    answer = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])
