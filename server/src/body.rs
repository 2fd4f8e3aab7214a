//! Bodies of requests to the API.

use crate::{ApiError, App};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A JSON object of the shape of `T`. A list of the values of its fields, which serde would take
/// for it too, is none.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let parsed = Json::<Map<String, Value>>::from_request(request, app).await;
        let Json(fields) = parsed
            .map_err(|error: JsonRejection| ApiError::new(error.status(), error.body_text()))?;
        let value = serde_json::from_value(Value::Object(fields));
        value
            .map(Body)
            .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
    }
}
