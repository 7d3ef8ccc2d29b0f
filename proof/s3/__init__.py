"""S3 in memory, at the level of botocore's requests and answers."""
