import { Type } from '@sinclair/typebox';
import { companyQuerySchema } from '../agents/request.schema.ts';
import { pagedQuery, pageOf } from '../http/pages.schema.ts';

const id = (description: string) => Type.String({ format: 'uuid', description });

/** `companyId` is accepted and ignored: the list has all companies that the key can act for. */
export const companyListQuerySchema = pagedQuery({
  companyId: Type.Optional(Type.Unknown({ description: 'Ignored' })),
});

const companySchema = Type.Object(
  {
    id: id('What the query parameter companyId takes'),
    name: Type.String({ description: 'Name of the company' }),
  },
  { $id: 'Company' },
);

export const companyListSchema = pageOf(companySchema, 'CompanyPage');

export const phoneNumberListQuerySchema = pagedQuery(companyQuerySchema.properties);

const phoneNumberSchema = Type.Object(
  {
    id: id('What companyPhoneNumberId takes'),
    number: Type.String({ description: 'E.164, with its plus sign' }),
    companyId: id('Id of the company that has the number'),
    status: Type.String({ description: 'ACTIVE' }),
    createdAt: Type.String({ format: 'date-time', description: 'When the company got the number, in UTC' }),
  },
  { $id: 'PhoneNumber' },
);

export const phoneNumberListSchema = pageOf(phoneNumberSchema, 'PhoneNumberPage');
