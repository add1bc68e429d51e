import type { AgentContent } from '../../src/agents/fields.ts';
import type { AgentPatch } from '../../src/agents/schema.ts';

/** Entity tags by version, one for If-Match and one for If-None-Match. */
interface Conditions {
  readonly ifMatch?: number;
  readonly ifNoneMatch?: number;
}

/** A request for an agent. */
export type Asked = Conditions &
  (
    | { readonly kind: 'read' }
    | { readonly kind: 'patch'; readonly patch: AgentPatch; readonly dryRun: boolean }
    | { readonly kind: 'restore'; readonly version: number; readonly dryRun: boolean }
    | { readonly kind: 'delete' }
  );

/** An agent in an answer. */
export interface Shown {
  /** The version in the entity tag. */
  readonly version: number;
  /** All fields; the phone number is in a header. */
  readonly content: AgentContent;
  readonly updatedAt: string;
  /** The members that never change: id, company, creation time. */
  readonly identity: string;
}

/** The outcome of a call. */
export type Answered =
  | { readonly status: 200; readonly shown: Shown; readonly changed: readonly string[] }
  | { readonly status: 204 | 304 | 404 | 412 }
  | { readonly status: 400; readonly errors: unknown }
  /** The answer was lost: the call may have been carried out, or may still be. */
  | { readonly status: 503; readonly isRefused: boolean };

/** One call on one agent, as the client saw it. */
export interface Recorded {
  readonly requestId: string;
  readonly asked: Asked;
  readonly answered: Answered;
  /** Start and end, by one clock. */
  readonly start: number;
  readonly end: number;
}

interface StoredEntry {
  readonly requestId: string;
  readonly updatedAt: string;
  readonly snapshot?: unknown;
}

/** All calls on one agent. */
export interface History {
  /** Version 1, before the first call. */
  readonly first: Shown;
  readonly calls: readonly Recorded[];
  /** The entries of the stored history by version. They name the requests whose answers were lost. */
  readonly stored: ReadonlyMap<number, StoredEntry>;
  /** Whether the agent is deleted in the end. */
  readonly isDeleted: boolean;
}
