"""https with a certificate of one's own, and what happens without it."""

from dataclasses import replace

import pytest

from ml.artifacts.errors import UnreachableError
from pipelines.publish.publishing import publish
from pipelines.publish.reader import read_ml_results
from pipelines.publish.s3_connection import RetryPolicy
from pipelines.publish.s3_store import S3Store
from tests.pipelines.publish.conftest import target_of
from tests.pipelines.publish.servers import serving_bucket


def no_pause(_):
    raise AssertionError("it was tried again")


def test_a_certificate_is_trusted_by_its_file_and_refused_without_it(tmp_path, made):
    with serving_bucket("minio", tmp_path, tls=True) as server:
        target = replace(target_of(server), secure=True, ca_file=server.ca_file)
        store = S3Store(target)
        publish(store, made(1), publisher="host/test")
        assert read_ml_results("forecasts", store=store).num_rows == 1
        stranger = S3Store(replace(target, ca_file=None), retries=RetryPolicy(pause=no_pause))
        with pytest.raises(UnreachableError, match=r"^unreachable: .*certificate.*S3_CA_FILE"):
            publish(stranger, made(2), publisher="host/test")
