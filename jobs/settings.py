"""Settings of the environment: paths and addresses. Config dataclasses of jobs determine *what* is computed."""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.errors import StoreError

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Paths and addresses, from environment variables `PMRS_*`. A secret is a variable or, preferably, a file."""

    model_config = SettingsConfigDict(env_prefix="PMRS_", extra="ignore", frozen=True)

    var: Path = Field(REPOSITORY / "var", description="Folder of all files that runs write.")
    lake: str = Field("", description="Root of the lake: a folder, or a URI that Spark can write. Default: VAR/lake.")
    sources: Path | None = Field(None, description="Sources file (TOML). Default: that of the last night, else the sample.")
    mongo_uri: SecretStr | None = Field(None, description="URI of the MongoDB to publish to. Default: the embedded mongod.")
    mongo_uri_file: Path | None = Field(None, description="File (mode 0600) with the URI, instead of PMRS_MONGO_URI.")
    mongo_timeout_ms: int = Field(5_000, description="Timeout for connecting to MongoDB, in milliseconds.")
    master: str = Field("local[*]", description="Spark master; spark-submit's --master overrides it.")
    spark_profile: Literal["auto", "cluster", "local", "small"] = Field(
        "auto", description="Spark settings for a cluster, one machine or a small night; auto: by master and size of the sources."
    )
    driver_memory: str = Field("6g", description="Heap size of the Spark driver, which in local mode runs all tasks.")
    backfill: bool = Field(False, description="True for a night of a backfill (`pmrs run --backfill`): every fit starts cold.")
    holder_pid: int = Field(0, description="Id of the process that runs the night, set by `pmrs nightly`; 0: unknown.")

    @field_validator("var", "sources", "mongo_uri_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Return the absolute path, because Airflow starts tasks in other working directories."""
        return None if path is None else Path(os.path.abspath(path.expanduser()))

    @field_validator("lake")
    @classmethod
    def _absolute_folder(cls, lake: str) -> str:
        return os.path.abspath(lake) if lake and "://" not in lake else lake

    def exported(self) -> dict[str, str]:
        """Return the `PMRS_*` variables with paths that child processes need, as absolute paths."""
        paths = {"PMRS_LAKE": self.lake, "PMRS_SOURCES": self.sources, "PMRS_MONGO_URI_FILE": self.mongo_uri_file}
        inherited = {name: str(path) for name, path in paths.items() if path and os.environ.get(name)}
        return {"PMRS_VAR": str(self.var), **inherited}

    @property
    def lake_root(self) -> str:
        """Root folder or URI of the lake, without a trailing slash."""
        return (self.lake or str(self.var / "lake")).rstrip("/")

    @property
    def embedded(self) -> bool:
        """True if no MongoDB is configured; then the embedded mongod is used."""
        return self.mongo_uri is None and self.mongo_uri_file is None

    @property
    def embedded_uri_file(self) -> Path:
        """File (mode 0600) with the owner's URI of the embedded mongod."""
        return self.var / "mongo" / "uri"

    @cached_property
    def uri(self) -> SecretStr:
        """URI of MongoDB, with its password. Raises StoreError if none is set and no embedded mongod was started."""
        if self.mongo_uri is not None:
            return self.mongo_uri
        path = self.mongo_uri_file or self.embedded_uri_file
        if not path.is_file():
            raise StoreError(f"No MongoDB is configured: {path} is missing. Run `make mongo`, or set PMRS_MONGO_URI.")
        try:
            return SecretStr(path.read_text().strip())
        except OSError as error:
            raise StoreError(f"The MongoDB URI in {path} cannot be read: {error.strerror}.") from None

    @property
    def uri_source(self) -> str:
        """Location of the URI with its password, for messages: the name of a variable or a file."""
        if self.mongo_uri is not None:
            return "the variable PMRS_MONGO_URI"
        return str(self.mongo_uri_file or self.embedded_uri_file)

    @property
    def sources_file(self) -> Path:
        """The current sources file: PMRS_SOURCES, else that of the last night, else the sample's."""
        if self.sources is not None:
            return self.sources
        last = self.var / "current_sources"
        return Path(last.read_text().strip()) if last.is_file() else self.sample_sources

    @property
    def sample_sources(self) -> Path:
        """Sources file of the sample data; it may not exist yet."""
        return self.var / "sample" / "sources.toml"
