//! Functions of our own: `attr(attributes, 'key')`.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::attributes;

/// `attr(attributes, key)`: the value of a key in a column of attributes, as text; NULL where it is missing.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Attr {
    signature: Signature,
}

impl Attr {
    pub(super) fn new() -> Self {
        let texts = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8]);
        Self { signature: Signature::new(texts, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Attr {
    fn name(&self) -> &str {
        "attr"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, keys] = args.args.as_slice() else {
            return exec_err!("attr takes a column of attributes and a key");
        };
        let texts = texts.to_array(args.number_rows)?;
        let texts = as_string_array(&texts)?;
        let mut found = StringBuilder::new();
        if let ColumnarValue::Scalar(ScalarValue::Utf8(key)) = keys {
            let of = |text: Option<&str>| attributes::value_of(text?, key.as_deref()?);
            texts.iter().for_each(|text| found.append_option(of(text)));
        } else {
            let keys = keys.to_array(args.number_rows)?;
            for (text, key) in texts.iter().zip(keys.as_string::<i32>().iter()) {
                found.append_option(text.zip(key).and_then(|(text, key)| attributes::value_of(text, key)));
            }
        }
        Ok(ColumnarValue::Array(Arc::new(found.finish())))
    }
}
