# Its locals are in monitoring.tf.json, which `make terraform` writes: see deployment/dashboard.py and
# deployment/queries.py.

resource "aws_cloudwatch_dashboard" "this" {
  # Dashboards belong to the account, and the stage may be in several Regions.
  dashboard_name = "${var.name}-${data.aws_region.chalice.name}"
  dashboard_body = jsonencode(local.dashboard)
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  # The console shows the part before the slash as a folder.
  name            = "${var.name}/${each.key}"
  log_group_names = each.value.log_groups
  query_string    = each.value.query
}
