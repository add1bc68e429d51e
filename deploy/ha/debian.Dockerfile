# etcd, Patroni with PostgreSQL, and HAProxy: one image for the three, of the releases that the tests run.
FROM debian:12-slim
RUN apt-get update \
  && apt-get install --yes --no-install-recommends etcd-server haproxy patroni postgresql python3-etcd \
  && rm -rf /var/lib/apt/lists/*
COPY haproxy.cfg patroni.yml roles.sql /etc/interview-agents/
WORKDIR /etc/interview-agents
USER postgres
