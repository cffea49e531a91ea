"""Secrets in AWS Systems Manager Parameter Store."""

_BUDGET = 8.0


def read_parameter(name: str) -> str:
    """Return the decrypted value of the parameter `name`.

    Raises AWSError if there is no such parameter, or no response for eight seconds.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
    """
    # Imported here, so that cold starts without a secret do not load it.
    from chalicelib.aws.client import Client, Service  # noqa: PLC0415
    from chalicelib.aws.configuration import configuration  # noqa: PLC0415
    from chalicelib.aws.errors import AWSError  # noqa: PLC0415
    from chalicelib.aws.retries import Clock, Retries, timeouts  # noqa: PLC0415

    ssm = Service("ssm", "AmazonSSM", "1.1")
    client = Client(ssm, configuration(ssm.name), timeouts(_BUDGET))
    retries = Retries(_BUDGET, Clock())
    try:
        while True:
            try:
                response = client.call("GetParameter", {"Name": name, "WithDecryption": True})
                return str(response["Parameter"]["Value"])
            except AWSError as error:
                if not error.is_transient or not retries.wait():
                    raise
    finally:
        client.close()
