# Terraform merges files of this name into the resources of others: here, into Chalice's.
# https://developer.hashicorp.com/terraform/language/files/override

resource "aws_api_gateway_rest_api" "rest_api" {
  name = var.name
}

# The stage is a resource of its own (stage.tf), since it needs more than a deployment can say of
# it; so the deployment has none, and a changed API makes a new one.
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
