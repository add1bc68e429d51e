import { randomBytes } from 'node:crypto';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { afterAll, vi } from 'vitest';
import { registeredTracing } from '../../src/tracing/spans.ts';
import { openAnotherServer } from './another-server.ts';
import { callsOf } from './calls.ts';
import type { World } from './world.ts';

/** A span as the tests compare it. */
export interface Shown {
  readonly name: string;
  readonly kind: string | undefined;
  readonly id: string;
  /** The id of the parent. */
  readonly parent: string | undefined;
  readonly attributes: ReadableSpan['attributes'];
  readonly status: ReadableSpan['status'];
  /** The ids of the linked spans. */
  readonly links: readonly string[];
}

/** An SDK that collects spans in memory until the end of the file, loaded as by an operator's `--import`. */
export function loadCollector() {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register({ contextManager: null });
  afterAll(async () => {
    for (const api of [trace, propagation, context]) api.disable();
    await provider.shutdown();
  });
  return {
    /** All finished spans of all traces. */
    all: () => exporter.getFinishedSpans(),

    /** The spans of a trace by name, once that of its request has ended, which is after the answer. */
    async of(traceId: string): Promise<Record<string, Shown>> {
      const inTrace = () => exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId);
      await vi.waitUntil(() => inTrace().some(({ kind }) => kind === SpanKind.SERVER), { timeout: 60_000 });
      return Object.fromEntries(inTrace().map((span) => [span.name, shown(span)]));
    },
  };
}

/** A world with calls to a server of its own that makes spans with the loaded SDK. */
export async function openTraced(world: World, databaseUrl = world.databaseUrl): Promise<World> {
  const tracing = registeredTracing();
  if (!tracing) throw new Error('no SDK is loaded');
  const { origin } = await openAnotherServer(world, { tracing, databaseUrl });
  return { ...world, origin, ...callsOf(origin) };
}

const shown = (span: ReadableSpan): Shown => ({
  name: span.name,
  kind: SpanKind[span.kind],
  id: span.spanContext().spanId,
  parent: span.parentSpanContext?.spanId,
  attributes: span.attributes,
  status: span.status,
  links: span.links.map((link) => link.context.spanId),
});

/** A span of a client, as the header `traceparent` describes it. */
export function clientSpan({ isSampled = true } = {}) {
  const [traceId, id] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, id, headers: { traceparent: `00-${traceId}-${id}-${isSampled ? '01' : '00'}` } };
}

export const unset = { code: SpanStatusCode.UNSET };
export const failed = { code: SpanStatusCode.ERROR };
