# A kgnb node: small, without root, told to stop by SIGTERM, asked for its health by `kgnb health`.
#
#   docker build -t kgnb .
#   docker build -t kgnb --build-arg EXTRAS=embedded,metrics .     with the embedded queue

FROM python:3.12-slim-bookworm AS build
# metrics: the Prometheus endpoint. jieba: Chinese names for the rules provider.
ARG EXTRAS=metrics
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY notebooks ./notebooks
COPY kgnb ./kgnb
RUN python -m venv /opt/kgnb \
 && /opt/kgnb/bin/pip install --no-cache-dir ".[${EXTRAS}]" "jieba>=0.42.1" \
 && /opt/kgnb/bin/pip uninstall --yes pip

FROM python:3.12-slim-bookworm
COPY --from=build /opt/kgnb /opt/kgnb
COPY --chmod=755 deploy/entrypoint.sh /usr/local/bin/kgnb-entrypoint
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin kgnb \
 && install --directory --owner=kgnb --group=kgnb --mode=700 /data
ENV PATH=/opt/kgnb/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    KGNB_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=3 CMD ["kgnb-entrypoint", "health"]
ENTRYPOINT ["kgnb-entrypoint"]
CMD ["worker"]
