# Debian 12's PgBouncer is 1.18, which does not support named statements in transaction mode. psql is for its console.
FROM debian:12-slim
RUN apt-get update \
  && apt-get install --yes --no-install-recommends pgbouncer postgresql-client \
  && rm -rf /var/lib/apt/lists/*
COPY pgbouncer.sh /
USER postgres
ENV FOLDER=/tmp
EXPOSE 6432
CMD ["sh", "/pgbouncer.sh"]
