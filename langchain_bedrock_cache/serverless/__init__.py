"""Questions on documents in AWS Lambda and Step Functions, each document paid for once.

* Lambda: `handler` (answers, configured by the environment), `run_handler` (plans and sums up runs
  of many questions), `create_handler` (answers with a model of your own)
* Step Functions: `state_machine_definition`, for an inline Map or a Distributed Map
* CloudFormation: `deployment_template`, `deployment_files`

Importing it is cheap; boto3 and LangChain's AWS package are imported by the first request.
"""

from langchain_bedrock_cache.serverless.definition import state_machine_definition
from langchain_bedrock_cache.serverless.errors import (
    DeploymentError,
    DocumentForbiddenError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    MethodNotAllowedError,
    ModelFailedError,
    ModelTimeoutError,
    ServerlessError,
    ServiceUnavailableError,
    ThrottledError,
)
from langchain_bedrock_cache.serverless.handlers import (
    create_handler,
    create_run_handler,
    handler,
    run_handler,
)
from langchain_bedrock_cache.serverless.template import deployment_files, deployment_template

__all__ = [
    "DeploymentError",
    "DocumentForbiddenError",
    "DocumentNotFoundError",
    "DocumentTooLargeError",
    "InvalidRequestError",
    "MethodNotAllowedError",
    "ModelFailedError",
    "ModelTimeoutError",
    "ServerlessError",
    "ServiceUnavailableError",
    "ThrottledError",
    "create_handler",
    "create_run_handler",
    "deployment_files",
    "deployment_template",
    "handler",
    "run_handler",
    "state_machine_definition",
]
