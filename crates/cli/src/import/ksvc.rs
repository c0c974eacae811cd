//! Makes tables from the annotations of Knative Services.
