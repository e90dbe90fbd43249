"""Lists a prefix and reads an object with botocore: prints the folders and the content, or the code of the error.

public_client.py ENDPOINT KEY_ID SECRET BUCKET PREFIX KEY
"""

import sys

import botocore.config
import botocore.exceptions
import botocore.session


def main():
    endpoint, key_id, secret, bucket, prefix, key = sys.argv[1:]
    config = botocore.config.Config(
        s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, signature_version="s3v4"
    )
    client = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=config,
    )
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        for page in pages:
            for folder in page.get("CommonPrefixes", []):
                print(folder["Prefix"])
        sys.stdout.write(client.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except botocore.exceptions.ClientError as error:
        print(error.response["Error"]["Code"])


main()
