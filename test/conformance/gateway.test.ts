import { gatewaySuite } from "./gateway.ts";

gatewaySuite("own sockets, in lockstep", { transport: "socket" });
gatewaySuite("own sockets, several, news applied at once", { transport: "socket", connections: 3, isDeferred: false });
gatewaySuite("the vendor's SDK", { transport: "sdk" });
