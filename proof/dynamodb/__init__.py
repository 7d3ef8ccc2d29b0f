"""DynamoDB in memory, at the level of botocore's requests and answers."""
