"""Credentials as typed values, for sources, destinations and functions of your own."""

from __future__ import annotations

from ladle.config.credentials.aws import AwsCredentials
from ladle.config.credentials.azure import (
    AzureCredentials,
    AzureCredentialsWithoutDefaults,
    AzureServicePrincipalCredentials,
    AzureServicePrincipalCredentialsWithoutDefaults,
)
from ladle.config.credentials.connection import ConnectionStringCredentials
from ladle.config.credentials.gcp import GcpCredentials, GcpOAuthCredentials, GcpServiceAccountCredentials
from ladle.config.credentials.oauth import OAuth2Credentials
from ladle.config.credentials.sftp import SFTPCredentials
from ladle.config.spec import CredentialsConfiguration

FileSystemCredentials = (
    AwsCredentials
    | GcpServiceAccountCredentials
    | AzureCredentialsWithoutDefaults
    | AzureServicePrincipalCredentialsWithoutDefaults
    | AzureCredentials
    | AzureServicePrincipalCredentials
    | GcpOAuthCredentials
    | SFTPCredentials
)

__all__ = [
    "AwsCredentials",
    "AzureCredentials",
    "AzureServicePrincipalCredentials",
    "ConnectionStringCredentials",
    "CredentialsConfiguration",
    "FileSystemCredentials",
    "GcpCredentials",
    "GcpOAuthCredentials",
    "GcpServiceAccountCredentials",
    "OAuth2Credentials",
    "SFTPCredentials",
]
