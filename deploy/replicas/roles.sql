-- The role of the servers, which owns nothing; `migrate --server-role` gives it its rights.
\getenv password SERVER_PASSWORD
CREATE ROLE agents_server LOGIN PASSWORD :'password';
-- The sessions of a server whose machine is lost end within ten seconds. docs/operate.md says why.
ALTER ROLE agents_server SET tcp_user_timeout = '10s';
ALTER ROLE agents_server SET tcp_keepalives_idle = 5;
ALTER ROLE agents_server SET tcp_keepalives_interval = 2;
ALTER ROLE agents_server SET tcp_keepalives_count = 3;
