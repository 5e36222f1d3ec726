"""Where things are: the one settings class. *What* is computed lies in each job's own config dataclass."""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.errors import StoreError

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Paths and addresses, from environment variables `PMRS_*`. Secrets come as a variable or, better, as a file."""

    model_config = SettingsConfigDict(env_prefix="PMRS_", extra="ignore", frozen=True)

    var: Path = Field(REPOSITORY / "var", description="Folder under which everything that runs leave is kept.")
    lake: str = Field("", description="Root of the lake: a folder or a URI Spark can write. Default: VAR/lake.")
    sources: Path | None = Field(None, description="Sources file (TOML). Default: the one last run, else the sample.")
    mongo_uri: SecretStr | None = Field(None, description="MongoDB to publish to. Default: the embedded mongod.")
    mongo_uri_file: Path | None = Field(None, description="A 0600 file that holds the URI, instead of PMRS_MONGO_URI.")
    mongo_timeout_ms: int = Field(5_000, description="Milliseconds to wait for a MongoDB server before saying so.")
    master: str = Field("local[*]", description="Spark master; spark-submit's --master wins over it.")
    spark_profile: Literal["auto", "cluster", "local", "small"] = Field(
        "auto", description="Spark settings for a cluster, one machine or a small night; auto: by master and source bytes."
    )
    driver_memory: str = Field("6g", description="Heap of the Spark driver, which in local mode does all the work.")
    backfill: bool = Field(False, description="The night is one of a backfill (`pmrs run --backfill`): every fit begins anew.")
    holder_pid: int = Field(0, description="Process that owns the night (set by `pmrs nightly`); 0: none known.")

    @field_validator("var", "sources", "mongo_uri_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Return the path as every working directory names it: Airflow starts tasks in folders of its own."""
        return None if path is None else Path(os.path.abspath(path.expanduser()))

    @field_validator("lake")
    @classmethod
    def _absolute_folder(cls, lake: str) -> str:
        return os.path.abspath(lake) if lake and "://" not in lake else lake

    def exported(self) -> dict[str, str]:
        """Return the `PMRS_*` variables of this process that name paths, in the form that processes below it need."""
        paths = {"PMRS_LAKE": self.lake, "PMRS_SOURCES": self.sources, "PMRS_MONGO_URI_FILE": self.mongo_uri_file}
        inherited = {name: str(path) for name, path in paths.items() if path and os.environ.get(name)}
        return {"PMRS_VAR": str(self.var), **inherited}

    @property
    def lake_root(self) -> str:
        """Root folder or URI of the lake, without a trailing slash."""
        return (self.lake or str(self.var / "lake")).rstrip("/")

    @property
    def embedded(self) -> bool:
        """True where no MongoDB was named, so that the embedded mongod serves."""
        return self.mongo_uri is None and self.mongo_uri_file is None

    @property
    def embedded_uri_file(self) -> Path:
        """The 0600 file into which the embedded mongod writes its owner's URI."""
        return self.var / "mongo" / "uri"

    @cached_property
    def uri(self) -> SecretStr:
        """MongoDB's URI, password included. Raises StoreError where none is set and no embedded mongod was started."""
        if self.mongo_uri is not None:
            return self.mongo_uri
        path = self.mongo_uri_file or self.embedded_uri_file
        if not path.is_file():
            raise StoreError(f"No MongoDB is known: {path} is missing. Run `make mongo`, or set PMRS_MONGO_URI.")
        try:
            return SecretStr(path.read_text().strip())
        except OSError as error:
            raise StoreError(f"The MongoDB URI in {path} cannot be read: {error.strerror}.") from None

    @property
    def uri_source(self) -> str:
        """Where the URI with its password lies, for a person to read: a variable's or a file's name."""
        if self.mongo_uri is not None:
            return "the variable PMRS_MONGO_URI"
        return str(self.mongo_uri_file or self.embedded_uri_file)

    @property
    def sources_file(self) -> Path:
        """The sources file in force: PMRS_SOURCES, else the one that the last night used, else the sample's."""
        if self.sources is not None:
            return self.sources
        last = self.var / "current_sources"
        return Path(last.read_text().strip()) if last.is_file() else self.sample_sources

    @property
    def sample_sources(self) -> Path:
        """The sample data's sources file, whether made yet or not."""
        return self.var / "sample" / "sources.toml"
