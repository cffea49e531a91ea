// The README's tour with openapi-fetch and the types that openapi-typescript generates. Code that
// does not match the document does not compile. Run by test_clients, with the address as its
// argument.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });

const created = await client.POST("/users", {
  params: { header: { "Idempotency-Key": "ann" } },
  body: { name: "Ann Example", email: "ann@example.com" },
});
assert.ok(created.data);
assert.equal(created.data.message, "User created");
const { user_id } = created.data;
const path = { user_id };
const taken = await client.POST("/users", { body: { name: "Bob", email: "ANN@EXAMPLE.COM" } });
assert.equal(taken.error?.type, "/problems/email-taken");

const read = await client.GET("/users/{user_id}", { params: { path } });
assert.equal(read.data?.name, "Ann Example");
const listed = await client.GET("/users", { params: { query: { email: "ANN@example.com" } } });
assert.deepEqual(listed.data?.users.map((user) => user.user_id), [user_id]);

const tag = read.response.headers.get("ETag") ?? undefined;
const changed = await client.PUT("/users/{user_id}", {
  params: { path, header: { "If-Match": tag } },
  body: { name: "Ann Sample", email: "ann@example.org" },
});
assert.equal(changed.data?.version, 2);
const late = await client.PATCH("/users/{user_id}", {
  params: { path, header: { "If-Match": tag } },
  body: { metadata: { team: "red" } },
});
assert.equal(late.error?.status, 412);

const ordered = await client.POST("/users/{user_id}/orders", {
  params: { path },
  body: {
    currency: "EUR",
    items: [
      { sku: "TEA-250", quantity: 2, unit_price: 450 },
      { sku: "CUP", quantity: 1, unit_price: 1200 },
    ],
  },
});
assert.ok(ordered.data);
assert.equal(ordered.data.total, 2100);
const { order_id } = ordered.data;

const steps: components["schemas"]["OrderStatus"][] = ["paid", "shipped", "delivered"];
for (const status of steps) {
  const stepped = await client.PATCH("/users/{user_id}/orders/{order_id}", {
    params: { path: { user_id, order_id } },
    body: { status },
  });
  assert.equal(stepped.data?.status, status);
}
const orders = await client.GET("/users/{user_id}/orders", {
  params: { path, query: { status: "delivered" } },
});
assert.deepEqual(orders.data?.orders.map((order) => order.order_id), [order_id]);

const deleted = await client.DELETE("/users/{user_id}", { params: { path } });
assert.equal(deleted.response.status, 204);
const gone = await client.GET("/users/{user_id}", { params: { path } });
assert.equal(gone.error?.type, "/problems/user-not-found");
