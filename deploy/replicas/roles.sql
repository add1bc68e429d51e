-- The role of the servers, which owns nothing; `migrate --server-role` gives it its rights.
\getenv password SERVER_PASSWORD
CREATE ROLE agents_server LOGIN PASSWORD :'password';
