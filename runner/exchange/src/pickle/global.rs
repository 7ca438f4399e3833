//! Lists the names that a file may refer to: all others are refused by name, and none is ever
//! called.

use crate::shown::shown;

/// A known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// a `torch.…Storage`: the type of the numbers
    Storage(Dtype),
    /// a numpy scalar
    NumpyScalar,
    /// numpy's `_reconstruct`: an array whose numbers come as its state
    NumpyArray,
    /// numpy's `_frombuffer`: an array whose numbers are its argument
    NumpyBuffer,
    /// `numpy.ndarray`
    NumpyClass,
    /// `numpy.dtype`
    NumpyDtype,
    /// `_codecs.encode`, with which Python 2's protocol writes bytes
    Encode,
    /// Python's `range`
    Range,
    /// a TransformerLens configuration: its fields are kept
    Config,
    /// `torch.device`, and `torch.float32` and the like: they are ignored
    Inert,
}

/// The type of stored numbers, all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    /// unsigned, more than a byte: in numpy and safetensors only
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Dtype {
    /// Returns the bytes of one number.
    pub(crate) fn width(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }
}

const STORAGES: [(&str, Dtype); 10] = [
    ("DoubleStorage", Dtype::F64),
    ("FloatStorage", Dtype::F32),
    ("HalfStorage", Dtype::F16),
    ("BFloat16Storage", Dtype::BF16),
    ("LongStorage", Dtype::I64),
    ("IntStorage", Dtype::I32),
    ("ShortStorage", Dtype::I16),
    ("CharStorage", Dtype::I8),
    ("ByteStorage", Dtype::U8),
    ("BoolStorage", Dtype::Bool),
];

const INERT: [&str; 7] = [
    "device", "float32", "float64", "float16", "bfloat16", "int64", "bool",
];

/// Returns what a name stands for, if it is on the list.
pub(crate) fn find(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", name) if INERT.contains(&name) => Global::Inert,
        ("torch" | "torch.storage", name) => {
            Global::Storage(STORAGES.iter().find(|(known, _)| *known == name)?.1)
        }
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::NumpyScalar,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::NumpyArray,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::NumpyBuffer,
        ("numpy", "ndarray") => Global::NumpyClass,
        ("numpy", "dtype") => Global::NumpyDtype,
        ("builtins", "range") | ("__builtin__", "xrange") => Global::Range,
        ("_codecs", "encode") => Global::Encode,
        (module, "HookedTransformerConfig" | "EasyTransformerConfig")
            if ["transformer_lens", "easy_transformer"]
                .contains(&module.split('.').next().unwrap_or_default()) =>
        {
            Global::Config
        }
        _ => return None,
    })
}

/// Returns the message for a name that is not on the list.
pub(crate) fn unknown(module: &str, name: &str) -> String {
    format!(
        "it refers to {}.{}; expected tensors, numbers, texts, lists and dictionaries only, and \
         nothing that would have to be executed: save the state_dict() alone with torch.save",
        shown(module),
        shown(name)
    )
}
