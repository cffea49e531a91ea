# Set in stage.auto.tfvars.json, which `make terraform` writes.

variable "name" {
  description = "What the stage's API and role are called, and its functions begin with"
  type        = string
}

variable "api_stage" {
  description = "The name of API Gateway's stage, the first segment of the URL's path"
  type        = string
}

variable "functions" {
  description = "The Lambda functions: Chalice's resource names and the functions' own"
  type        = map(string)
}

variable "called_functions" {
  description = "The names of the functions that API Gateway calls"
  type        = list(string)
}

# Yours to set, each with a default.

variable "log_retention_in_days" {
  description = "How long logs are kept"
  type        = number
  default     = 30
}

variable "requests_per_second" {
  description = "How many requests a second each method takes for long, before it answers 429"
  type        = number
  default     = 200
}

variable "burst_of_requests" {
  description = "How many requests each method takes at once"
  type        = number
  default     = 400
}

variable "alarm_topic_arn" {
  description = "The SNS topic that is told of alarms; they only change their state without one"
  type        = string
  default     = null
}

variable "gateway_log_role_arn" {
  description = "The role of account and Region through which API Gateway logs; made without one"
  type        = string
  default     = null
}
