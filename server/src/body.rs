//! Bodies of requests to the API.

use crate::{ApiError, App};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The first whole number that a float does not hold exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A JSON object of the shape of `T`. A list of the values of its fields, which serde would take
/// for it too, is none; 3.0 is the whole number 3, as JSON Schema has it.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let parsed = Json::<Map<String, Value>>::from_request(request, app).await;
        let Json(fields) = parsed
            .map_err(|error: JsonRejection| ApiError::new(error.status(), error.body_text()))?;
        let mut value = Value::Object(fields);
        put_whole(&mut value);
        let value = serde_json::from_value(value);
        value
            .map(Body)
            .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
    }
}

/// Makes integers of floats without a fraction.
fn put_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            if let Some(float) = float.filter(|f| f.fract() == 0.0 && f.abs() < EXACT_MAX) {
                *number = (float as i64).into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(put_whole),
        Value::Object(fields) => fields.values_mut().for_each(put_whole),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_without_a_fraction_are_integers() {
        let mut value = json!({ "a": 3.0, "b": [-2.0, 2.5, 1e300], "c": { "d": 0.0 }, "e": "1.0" });
        put_whole(&mut value);
        let expected = json!({ "a": 3, "b": [-2, 2.5, 1e300], "c": { "d": 0 }, "e": "1.0" });
        assert_eq!(value, expected);
        assert!(value["a"].is_i64(), "{value}");
    }
}
