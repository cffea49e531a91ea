# Terraform merges override files into existing resources: here, into Chalice's.
# https://developer.hashicorp.com/terraform/language/files/override

resource "aws_api_gateway_rest_api" "rest_api" {
  name = var.name
}

# The stage is a separate resource (stage.tf), because a deployment cannot configure all of it. So
# the deployment has no stage, and a changed API triggers a new deployment.
resource "aws_api_gateway_deployment" "rest_api" {
  stage_name        = null
  stage_description = null

  triggers = {
    api = md5(local.chalice_api_swagger)
  }
}

output "EndpointURL" {
  value = "${aws_api_gateway_stage.this.invoke_url}/"
}
