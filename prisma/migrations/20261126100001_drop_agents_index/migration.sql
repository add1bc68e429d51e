-- The index of all agents is of no use beside that of living ones, and every update would have to keep it.
DROP INDEX CONCURRENTLY "agent_company_id_created_at_id_idx";
