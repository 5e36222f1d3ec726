# Both environments of PMRS in one image: the pipeline (jobs, models) and Airflow. CI does not build it yet.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless libopenblas0 libcurl4 git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/pmrs
COPY requirements/ requirements/
# the same uv, locks and hashes as `make setup`; torch by pip, as requirements/torch.in says
RUN UV=$(requirements/uv.sh) \
    && $UV venv --seed .venv && $UV venv .venv-airflow \
    && $UV pip install --no-cache --python .venv/bin/python --no-deps --require-hashes -r requirements/pipeline.lock \
    && $UV pip install --no-cache --python .venv-airflow/bin/python --no-deps --require-hashes -r requirements/airflow.lock \
    && .venv/bin/pip install --no-cache-dir -r requirements/torch.in
COPY . .
RUN .venv-uv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation -e .

# The containers run without root.
RUN useradd --create-home pmrs && mkdir -p /data/var && chown pmrs /data/var
USER pmrs
ENV LC_ALL=C.UTF-8 PATH=/opt/pmrs/.venv/bin:/opt/pmrs/.venv-airflow/bin:$PATH SPARK_CONF_DIR=/opt/pmrs/spark_conf
