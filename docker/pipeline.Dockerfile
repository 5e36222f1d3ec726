# Both environments of PMRS in one image: jobs and models, and Airflow that starts them. Not built by CI yet.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless libopenblas0 libcurl4 git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/pmrs
COPY requirements/ requirements/
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --no-deps -r requirements/pipeline.lock \
    && .venv/bin/pip install --no-cache-dir -r requirements/torch.in -c requirements/pipeline.lock \
    && python -m venv .venv-airflow \
    && .venv-airflow/bin/pip install --no-cache-dir --no-deps -r requirements/airflow.lock
COPY . .
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .

# Nobody needs root inside.
RUN useradd --create-home pmrs && mkdir -p /data/var && chown pmrs /data/var
USER pmrs
ENV PATH=/opt/pmrs/.venv/bin:/opt/pmrs/.venv-airflow/bin:$PATH SPARK_CONF_DIR=/opt/pmrs/spark_conf
