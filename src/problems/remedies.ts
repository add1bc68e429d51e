import type { ProblemCode } from '../http/problems.ts';
import { maxBodyBytes, maxHeaderBytes, maxHeaders } from '../http/size-limits.ts';

interface Remedy {
  readonly cause: string;
  readonly remedy: string;
}

/** The text of each problem's page: plain sentences, without markup. */
export const remedies: Readonly<Record<ProblemCode, Remedy>> = {
  MALFORMED_REQUEST: {
    cause:
      'The message is not HTTP/1.1 that the server can read, or its path is not percent-encoded UTF-8. If its head is at fault, no key was looked at.',
    remedy:
      'Read detail, which names the fault. Write the method in capital letters, send exactly one Host header, and encode text in paths as UTF-8: é is %C3%A9.',
  },
  MALFORMED_BODY: {
    cause: 'The body is missing, was cut off, is not UTF-8, or is not JSON.',
    remedy:
      'Look at the line and the column that detail names. Let a JSON library write the body instead of joining text. Send {} for a patch that changes nothing.',
  },
  VALIDATION_FAILED: {
    cause: 'The request was read, but values in its path, query, headers or body are not allowed. Nothing was changed.',
    remedy:
      'Correct every entry of errors: it says where the fault is (in, and pointer or parameter), what is wrong, and what is allowed. Members that are read-only must be left out. Of a restore, errors name what the version cannot bring back: send the other fields by PATCH.',
  },
  COMPANY_ID_REQUIRED: {
    cause: 'The API key belongs to an integration, which acts for several companies, and the request names none.',
    remedy: 'Add the query parameter companyId. GET /companies lists the ids that the key may use.',
  },
  INVALID_API_KEY: {
    cause: 'The API key is missing, malformed, unknown, revoked or expired. The server does not say which.',
    remedy:
      'Send one header "Authorization: Bearer sk_…" with the whole key, and nothing else in it. If it was revoked or has expired, ask whoever issued it for another one.',
  },
  API_KEY_SUSPENDED: {
    cause: 'The API key is valid, but whoever issued it has suspended it.',
    remedy: 'Ask the issuer to resume the key. The same key works again from then on.',
  },
  IP_NOT_ALLOWED: {
    cause: 'The API key may be used from certain addresses only, and the request came from another one.',
    remedy: 'Send the request from an allowed address, or ask the issuer to add yours to the list of the key.',
  },
  INSUFFICIENT_PERMISSIONS: {
    cause: 'The API key is valid, but lacks the scope that the request needs. detail names the scope.',
    remedy: 'Ask the issuer for a key with this scope. GET /api-key lists the scopes of the key that you have.',
  },
  COMPANY_ACCESS_DENIED: {
    cause: 'The integration of the API key does not manage the company in companyId, or there is no such company.',
    remedy: 'Take companyId from GET /companies. A new company has to grant access to the integration first.',
  },
  RESOURCE_ACCESS_DENIED: {
    cause: 'The resource belongs to another owner than the one that the request acts for.',
    remedy:
      'Check the id. With the key of an integration, check that companyId is the company that owns the resource; a webhook that was made without companyId belongs to the integration: leave companyId out. With the key of a company, use the key of that company.',
  },
  ROUTE_NOT_FOUND: {
    cause: 'The server has nothing at this path. No key was looked at.',
    remedy:
      'Compare the path with /openapi.json. Names are in lower case, and no part is empty: where an id is missing, or a slash stands at the end, it is another path.',
  },
  RESOURCE_NOT_FOUND: {
    cause: 'The resource in the path does not exist, has been deleted, or has been removed by the operator.',
    remedy:
      'Read detail, which says what is missing. Look the id up again: GET /agents lists the agents, GET /agents/{id}/versions the versions of one, GET /webhooks the webhooks, GET /webhooks/{id}/deliveries the deliveries of one.',
  },
  METHOD_NOT_ALLOWED: {
    cause: 'The path exists, but not with this method.',
    remedy: 'Use one of the methods in the Allow header of the answer.',
  },
  REQUEST_TIMEOUT: {
    cause: 'The request did not arrive whole within 10 seconds. Nothing was changed.',
    remedy: 'Send it again, and send the body without pauses.',
  },
  IDEMPOTENCY_KEY_IN_USE: {
    cause: 'Another request with the same Idempotency-Key is still being served.',
    remedy:
      'Wait a few seconds and send the same request with the same key again: it gets the answer of the first one.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    cause:
      'The Idempotency-Key was used within the last 24 hours for a request with another method, path, query, If-Match or body.',
    remedy: 'Make a new key for each change, and use it again only to repeat exactly that request.',
  },
  PRECONDITION_FAILED: {
    cause: 'The resource is not at the version that If-Match or If-None-Match demands. Nothing was changed.',
    remedy:
      'Compare the ETag of the answer, which is the current one. Read the resource, decide whether your change still holds, and send it with that tag. If the tags differ in W/ or in an ending such as -gzip only, a proxy that compresses answers changed yours: send "7" where you have W/"7" or "7-gzip".',
  },
  PAYLOAD_TOO_LARGE: {
    cause: `The body has more than ${maxBodyBytes} bytes.`,
    remedy:
      'Send letters as they are, in UTF-8, not as \\u and hexadecimal digits, and no white space between members. If that is not enough, shorten the questions: 50 of 2000 characters fit where a character takes two bytes, but not three.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    cause: 'The body has another media type than JSON, no media type, or a Content-Encoding.',
    remedy: 'Send "Content-Type: application/json", or application/merge-patch+json, and do not compress the body.',
  },
  RATE_LIMITED: {
    cause:
      'The API key has used up its requests for this minute or hour, or too many refused keys came from your address.',
    remedy:
      'Wait for the seconds in Retry-After. GET /api-key and the X-RateLimit headers say what is left before you reach the limit. A refused request uses up nothing.',
  },
  HEADERS_TOO_LARGE: {
    cause: `The request line and the headers together have more than ${maxHeaderBytes} bytes, or there are more than ${maxHeaders} headers.`,
    remedy: 'Send fewer or shorter headers: look for cookies and for a query that has grown.',
  },
  INTERNAL_ERROR: {
    cause: 'The server has a fault. The request itself did not cause it.',
    remedy:
      'Report the requestId. A change can be sent again with the same Idempotency-Key or, if it changes an agent, with If-Match.',
  },
  OVERLOADED: {
    cause: 'Too many requests are waiting. Nothing of this one has begun.',
    remedy: 'Send it again after the seconds in Retry-After, and send fewer requests at once.',
  },
  DATABASE_UNAVAILABLE: {
    cause: 'The database did not answer in time. A change may have been saved all the same.',
    remedy:
      'Send the request again after the seconds in Retry-After: a change with the same Idempotency-Key, or, if it changes an agent, with If-Match, so that it is not made twice.',
  },
};
