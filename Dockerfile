# One image for web, worker, beat and the preparation; each is the same entry point with another word.
FROM python:3.13-slim
WORKDIR /app
ENV PYTHONUNBUFFERED=1 AGENTOPS_HOME=/data HOST=0.0.0.0
COPY config/requirements.lock config/requirements.lock
RUN pip install --no-cache-dir --require-hashes -r config/requirements.lock
COPY . .
RUN useradd --system --home /data agentops && mkdir /data && chown agentops /data
USER agentops
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["python", "-m", "config.serve"]
CMD ["web"]
