import { Type } from '@sinclair/typebox';
import { companyQuerySchema, ignoredCompanySchema } from '../auth/schema.ts';
import { timestamp, uuid } from '../http/json-schema.ts';
import { pagedQuery, pageOf } from '../http/pages.schema.ts';

/** The list has all companies that the key can act for. */
export const companyListQuerySchema = pagedQuery(ignoredCompanySchema.properties);

const companySchema = Type.Object(
  { id: uuid('What the query parameter companyId takes'), name: Type.String({ description: 'Name of the company' }) },
  { $id: 'Company' },
);

export const companyListSchema = pageOf(companySchema, 'CompanyPage');

export const phoneNumberListQuerySchema = pagedQuery(companyQuerySchema.properties);

const phoneNumberSchema = Type.Object(
  {
    id: uuid('What companyPhoneNumberId takes'),
    number: Type.String({ description: 'E.164, with its plus sign' }),
    companyId: uuid('Id of the company that has the number'),
    status: Type.String({ description: 'ACTIVE' }),
    createdAt: timestamp('When the company got the number, in UTC'),
  },
  { $id: 'PhoneNumber' },
);

export const phoneNumberListSchema = pageOf(phoneNumberSchema, 'PhoneNumberPage');
