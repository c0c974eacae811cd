//! The kinds of messages about an OpenAPI document. The problems of the table that is made of it have their own codes.

use crate::kind::kinds;

kinds! {
    /// The kinds that concern OpenAPI documents.
    OF_OPENAPI:
    /// The file is not an OpenAPI document of version 3.0, 3.1 or 3.2.
    Error "not-openapi" NOT_OPENAPI;
    /// A value in the OpenAPI document has the wrong type, or can't be understood.
    Error "openapi-value" OPENAPI_VALUE;
    /// A `$ref` leads nowhere, in a circle, or to a file that can't or may not be read.
    Error "openapi-reference" OPENAPI_REFERENCE;
    /// The table needs something that the OpenAPI document does not say, and no option says it.
    Error "openapi-option" OPENAPI_OPTION;
    /// Nothing says which service an operation belongs to.
    Error "openapi-target" OPENAPI_TARGET;
    /// A path template has no equivalent in a table.
    Error "openapi-path" OPENAPI_PATH;
    /// Two operations have the same method and path and different targets, so nothing tells their requests apart.
    Error "same-requests" SAME_REQUESTS;
    /// A key of the OpenAPI document is not read, although it looks like one that should be.
    Warning "openapi-key" OPENAPI_KEY;
    /// A server of the OpenAPI document can't be a part of the same table, or changes what the table serves.
    Warning "openapi-server" OPENAPI_SERVER;
    /// A path template means something else in a table, or a part of it is left out.
    Warning "openapi-path-read" OPENAPI_PATH_READ;
    /// Several operations have the same method and path, and are one route.
    Warning "joined-operations" JOINED_OPERATIONS;
    /// An extension of another gateway says something that a table can't.
    Warning "not-carried-over" NOT_CARRIED_OVER;
    /// The target of an operation is a host, and the gateway needs a route for it.
    Warning "foreign-host" FOREIGN_HOST;
    /// Two tags of the OpenAPI document become the same name of a service.
    Warning "same-service-tags" SAME_SERVICE_TAGS;
    /// Two operations have the same `operationId`, so their routes have the same name.
    Warning "repeated-operation-id" REPEATED_OPERATION_ID;
    /// The OpenAPI document has no operations to route.
    Error "no-operations" NO_OPERATIONS;
    /// No example request was found that reaches its operation.
    Warning "no-case" NO_CASE;
}
