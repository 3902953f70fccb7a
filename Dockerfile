FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/headrace
ENV PATH=/opt/headrace/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY headrace headrace
RUN pip install --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app headrace \
    && install --directory --owner headrace /app /data
COPY --from=build /opt/headrace /opt/headrace
# These two run from here and are in no wheel.
COPY api /app/api
COPY worker /app/worker
WORKDIR /app
USER headrace
ENV PATH=/opt/headrace/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HEADRACE_DATA_DIR=/data
EXPOSE 8000
CMD ["uvicorn", "api:app", "--http", "api.protocol:Protocol", "--host", "0.0.0.0", "--port", "8000"]
