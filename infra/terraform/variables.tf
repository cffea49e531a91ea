# Set by stage.auto.tfvars.json, which `make terraform` writes.

variable "name" {
  description = "The name of the stage's API and role, and the prefix of its functions"
  type        = string
}

variable "api_stage" {
  description = "The name of the API Gateway stage, the first segment of the URL's path"
  type        = string
}

variable "functions" {
  description = "The names of the Lambda functions, by Chalice's resource name"
  type        = map(string)
}

variable "called_functions" {
  description = "The names of the functions that API Gateway calls"
  type        = list(string)
}

variable "event_functions" {
  description = "The names of the functions that pass on events and send webhooks"
  type        = list(string)
}

# Optional settings.

variable "log_retention_in_days" {
  description = "The retention of logs, in days"
  type        = number
  default     = 30
}

variable "requests_per_second" {
  description = "The throttling rate limit of each method, in requests per second"
  type        = number
  default     = 200
}

variable "burst_of_requests" {
  description = "The throttling burst limit of each method, in requests"
  type        = number
  default     = 400
}

variable "alarm_topic_arn" {
  description = "The SNS topic to notify of alarms; without one they only change their state"
  type        = string
  default     = null
}

variable "gateway_log_role_arn" {
  description = "The account's role for API Gateway logs in this Region; without one it is created"
  type        = string
  default     = null
}
