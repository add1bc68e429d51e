-- The owner of the tables, and the role of the servers, which owns nothing: `migrate --server-role` gives it its rights.
\getenv owner_password OWNER_PASSWORD
\getenv server_password SERVER_PASSWORD
CREATE ROLE agents_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE agents_server LOGIN PASSWORD :'server_password';
CREATE DATABASE interview_agents OWNER agents_owner;
