# All images of Splitleaf. What each is for: docs/decisions/0008-containers.md.
#   docker build --target api|worker|importer|nginx|postgres .
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
ARG NGINX_IMAGE=nginx:stable
ARG DEBIAN_IMAGE=debian:trixie-slim

# ---- The package, built with locked tools; no index is asked for anything that is not in the lock.
FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /build
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY scripts/version.py scripts/
COPY src src
# A build context has no git to ask for the version.
ARG BUILD_VERSION
RUN BUILD_VERSION=$BUILD_VERSION pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# ---- Environments. They live under one path, so that the images can take them over as they are.
FROM ${PYTHON_IMAGE} AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/splitleaf

FROM environment AS api-environment
COPY requirements/api.txt /requirements/
RUN pip --python /opt/splitleaf/bin/python install --only-binary :all: --require-hashes -r /requirements/api.txt
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/splitleaf/bin/python install --no-deps /wheels/*.whl

FROM environment AS worker-environment
COPY requirements/worker.txt /requirements/
RUN pip --python /opt/splitleaf/bin/python install --only-binary :all: --require-hashes -r /requirements/worker.txt
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/splitleaf/bin/python install --no-deps /wheels/*.whl

# Keras and TensorFlow, in an environment of their own. tf2onnx comes as a source archive.
FROM environment AS import-environment
RUN python -m venv --without-pip /opt/import
COPY requirements/import.txt requirements/import-nodeps.txt /requirements/
RUN pip --python /opt/import/bin/python install --require-hashes -r /requirements/import.txt
RUN pip --python /opt/import/bin/python install --no-deps --require-hashes -r /requirements/import-nodeps.txt

# ---- What all Python images share: a user of their own, and no pip, compiler or shell script that they do not need.
FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 splitleaf \
 && useradd --uid 10001 --gid splitleaf --home-dir /var/lib/splitleaf --create-home --shell /usr/sbin/nologin splitleaf \
 && install -d -o splitleaf -g splitleaf /var/lib/splitleaf/models /var/lib/splitleaf/pictures \
      /secrets/operator /secrets/api /secrets/worker /secrets/controller /secrets/redis /secrets/postgres \
 && python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel
ENV PATH=/opt/splitleaf/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SPLITLEAF_MODELS_DIR=/var/lib/splitleaf/models \
    SPLITLEAF_LOG_FORMAT=json
WORKDIR /var/lib/splitleaf
USER 10001:10001

# ---- The API. The controller and the maker of secrets are this image with another command.
FROM runtime AS api
COPY --from=api-environment /opt/splitleaf /opt/splitleaf
COPY deploy/secrets/make_secrets.py /opt/splitleaf/deploy/make_secrets.py
ENV SPLITLEAF_API__HOST=0.0.0.0 SPLITLEAF_API__PORT=8000
EXPOSE 8000
CMD ["splitleaf", "api"]

FROM api AS controller
CMD ["splitleaf", "controller"]

FROM runtime AS worker
COPY --from=worker-environment /opt/splitleaf /opt/splitleaf
CMD ["splitleaf", "worker"]

# ---- The one image with Keras and TensorFlow. It runs once, without a network, before the workers.
FROM runtime AS importer
COPY --from=import-environment /opt/import /opt/import
COPY --from=worker-environment /opt/splitleaf /opt/splitleaf
COPY deploy/importer/import_models.py /opt/splitleaf/deploy/import_models.py
ENV SPLITLEAF_IMPORT_PYTHON=/opt/import/bin/python
CMD ["python", "/opt/splitleaf/deploy/import_models.py", "/models"]

# ---- The page's files as NGINX serves them, with the headers that the API would send.
FROM api-environment AS page
COPY deploy/nginx/lay_out_page.py /lay_out_page.py
RUN /opt/splitleaf/bin/python /lay_out_page.py /page

FROM ${NGINX_IMAGE} AS nginx
RUN rm -rf /etc/nginx/conf.d /etc/nginx/nginx.conf
COPY deploy/nginx/*.conf /etc/nginx/
COPY --from=page /page/headers.conf /etc/nginx/headers.conf
COPY --from=page /page/files /srv/page
USER 101:101
EXPOSE 8080 8081 8443
# The base image's own start script fills templates below /etc, which is read-only here.
ENTRYPOINT []
CMD ["nginx", "-g", "daemon off;"]

# ---- PostgreSQL from Debian, as its own user from the first moment on.
FROM ${DEBIAN_IMAGE} AS postgres
RUN groupadd --gid 999 postgres \
 && useradd --uid 999 --gid postgres --home-dir /var/lib/postgresql --shell /usr/sbin/nologin postgres \
 && apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-17 \
 # Compiling queries costs ours more than it brings, and its compiler is a third of the image.
 && dpkg --purge --force-depends $(dpkg-query --show --showformat '${Package}\n' 'libllvm*' 'libz3*') \
 && rm -rf /usr/lib/postgresql/17/lib/llvmjit* /usr/lib/postgresql/17/lib/bitcode \
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* /etc/postgresql/* \
 && chown postgres:postgres /var/lib/postgresql
COPY --chmod=755 deploy/postgres/start.sh /usr/local/bin/start-postgres
ENV PATH=/usr/lib/postgresql/17/bin:$PATH LANG=C.UTF-8
USER 999:999
EXPOSE 5432
STOPSIGNAL SIGINT
CMD ["start-postgres"]
