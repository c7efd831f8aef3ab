"""A store that speaks S3, for as long as its input is open: it holds what lies in a folder, and demands signatures."""

import json
import sys
from pathlib import Path

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

MAY = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}


def filled(address: str, folder: Path) -> dict[str, dict[str, str]]:
    """Puts the files of a folder into a bucket, and returns two keys: the reader's may read them, the stranger's nothing."""
    given = {"endpoint_url": address, "aws_access_key_id": "root", "aws_secret_access_key": "root"}
    s3 = boto3.client("s3", region_name="eu-central-1", **given)
    s3.create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        s3.put_object(Bucket="logs", Key=str(file.relative_to(folder)), Body=file.read_bytes())
    for number in range(1050):  # more than a list of the store has at once
        s3.put_object(Bucket="logs", Key=f"many/{number}", Body=b"x")
    iam = boto3.client("iam", region_name="us-east-1", **given)
    keys = {}
    for user in ("reader", "stranger"):
        iam.create_user(UserName=user)
        if user == "reader":
            document = json.dumps({"Version": "2012-10-17", "Statement": [MAY]})
            iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=document)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        keys[user] = {"accessKeyId": key["AccessKeyId"], "secretAccessKey": key["SecretAccessKey"]}
    return keys


def main() -> None:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = filled(address, Path(sys.argv[1]))
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from now on requests must be signed by a key that may
    print(json.dumps({"address": address, "keys": keys}), flush=True)
    sys.stdin.read()
    server.stop()


main()
