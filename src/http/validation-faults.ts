import type { AnySchemaObject, ErrorObject } from 'ajv';
import {
  type Complaint,
  complaints,
  type Fault,
  type Faults,
  type Findings,
  inBody,
  inParameter,
  listedFaults,
  type RequestPart,
} from './faults.ts';
import { holdsFindings } from './validation-keywords.ts';

/** Turns Ajv's errors about one part of a request into faults: lists the first ones and counts all. */
export function toFaults(errors: readonly ErrorObject[], place: RequestPart): Faults {
  const wrongTypes = errors.filter(({ keyword }) => keyword === 'type');
  // Of two about one value the first is kept, which is that of the phone rule: it is narrower.
  const ofWrongType = new Map(wrongTypes.toReversed().map((error) => [error.instancePath, error]));
  const reported = errors.filter((error) => {
    const wrongType = ofWrongType.get(error.instancePath);
    const isRepeated = wrongType && ((error.keyword === 'type' && error !== wrongType) || error.keyword === 'enum');
    return error.keyword !== 'if' && !isRepeated;
  });
  const first = reported.slice(0, listedFaults).flatMap((error) => describe(error, place));
  const count = reported.reduce((sum, error) => sum + (holdsFindings(error) ? findingsOf(error).count : 1), 0);
  return { first: first.slice(0, listedFaults), count };
}

function describe(error: ErrorObject, place: RequestPart): Fault[] {
  const path = pathOf(error);
  if (holdsFindings(error)) {
    return findingsOf(error).first.map((found) => faultAt(place, [...path, ...found.path], found.complaint));
  }
  // A query parameter is a list only where it stands more than once.
  const isRepeated = place === 'query' && error.keyword === 'type' && Array.isArray(error.data);
  return [faultAt(place, path, isRepeated ? complaints.givenTwice() : complaintAbout(error))];
}

const faultAt = (place: RequestPart, path: readonly (string | number)[], complaint: Complaint): Fault =>
  place === 'body' ? inBody(path, complaint) : inParameter(place, String(path[0]), complaint);

const findingsOf = ({ params: { first, count } }: ErrorObject): Findings => ({ first, count });

function pathOf({ instancePath, keyword, params }: ErrorObject): (string | number)[] {
  const parent = instancePath
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (keyword === 'required') return [...parent, params['missingProperty']];
  if (keyword === 'deepest') return [...parent, ...params['path']];
  return parent;
}

function complaintAbout({ keyword, params, data, parentSchema = {}, schemaPath }: ErrorObject): Complaint {
  const ofPhoneRule = schemaPath.startsWith('#/then/');
  switch (keyword) {
    case 'type':
      if (data === null)
        return ofPhoneRule ? complaints.phoneNumberNotNull() : complaints.notNull(expected(parentSchema));
      return complaints.wrongType(expected(parentSchema));
    case 'enum':
      return complaints.notAllowed(params['allowedValues'], data);
    case 'required':
      return ofPhoneRule ? complaints.requiredForPhone() : complaints.required();
    case 'minimum':
      return complaints.tooSmall(params['limit']);
    case 'maximum':
    case 'deepest':
      return complaints.tooLarge(params['limit']);
    case 'minLength':
      return complaints.tooShort(params['limit']);
    case 'maxLength':
      return complaints.tooLong(params['limit']);
    case 'minItems':
      return complaints.tooFew(params['limit']);
    case 'maxItems':
      return complaints.tooMany(params['limit']);
    case 'pattern':
      return complaints.blank();
    case 'format':
      return complaints.badFormat(params['format']);
    default:
      throw new Error(`no text for the keyword ${keyword}`);
  }
}

const types: Record<string, string> = {
  string: 'a string',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** What a schema accepts, in words. */
function expected({ type, enum: values, minimum, maximum }: AnySchemaObject): string {
  // Each as a word: `join` alone leaves null out.
  if (values) return `one of ${values.map(String).join(', ')}`;
  const range = minimum === undefined ? '' : ` from ${minimum} to ${maximum}`;
  return [type]
    .flat()
    .map((name) => (name === 'null' ? 'null' : `${types[name]}${range}`))
    .join(' or ');
}
