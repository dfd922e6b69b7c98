"""What an image classifier may be made of. Anything else is refused, so that nothing unknown is ever run."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _names("""
    Functional Model Sequential InputLayer
    Activation Add AlphaDropout Attention Average AveragePooling1D AveragePooling2D BatchNormalization
    SyncBatchNormalization BatchNormalizationV1 CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Convolution2D Cropping1D Cropping2D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU Embedding EinsumDense
    Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalAvgPool2D GroupNormalization Identity LayerNormalization LeakyReLU Masking MaxPooling1D
    MaxPooling2D MaxPool2D Maximum Minimum MultiHeadAttention AdditiveAttention Multiply Normalization PReLU Permute
    ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D SeparableConvolution2D Softmax
    SpatialDropout1D SpatialDropout2D SpectralNormalization Subtract ThresholdedReLU TimeDistributed UnitNormalization
    UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D ActivityRegularization RMSNormalization
    RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation RandomTranslation RandomWidth
    RandomZoom RandomColorDegeneration RandomColorJitter RandomGrayscale RandomHue RandomPosterization
    RandomSaturation RandomSharpness RandomShear RandomGaussianBlur RandomErasing RandomPerspective RandomInvert
    RandomElasticTransform AugMix AutoContrast CutMix MixUp RandAugment Equalization Solarization
    MaxNumBoundingBoxes Pipeline
    """)

_INITIALIZERS = _names("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform Ones
    Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT TruncatedNormal VarianceScaling Zeros
    Initializer SeedGenerator STFTInitializer
    """)

_REGULARIZERS_AND_CONSTRAINTS = _names("""
    L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm RadialConstraint
    """)

_POLICIES = _names("Policy DTypePolicy FloatDTypePolicy DTypePolicyMap TensorShape")

# Never built, since everything is loaded with `compile=False`; inner models may carry them all the same.
_TRAINING = _names("""
    Adam AdamW Adamax Adadelta Adagrad Adafactor Ftrl Lion Nadam RMSprop SGD LossScaleOptimizer Muon
    BinaryCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy BinaryFocalCrossentropy
    SparseCategoricalCrossentropy KLDivergence MeanAbsoluteError MeanSquaredError Poisson
    Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy
    SparseTopKCategoricalAccuracy AUC Precision Recall F1Score FBetaScore Mean MeanMetricWrapper
    ExponentialDecay CosineDecay CosineDecayRestarts InverseTimeDecay PiecewiseConstantDecay PolynomialDecay
    """)

OPERATION_CLASSES = _names("""
    Absolute Add Cast Clip Concatenate Divide DivideNoNan Elu Exp ExpandDims Flip Gelu GetItem Greater HardSigmoid
    HardSwish HardSilu LeakyRelu Log LogSoftmax Matmul Max MaxPool Maximum Mean Min Minimum Moveaxis Multiply Negative
    Pad Power Prod Ravel Reciprocal Relu Relu6 Repeat Reshape Rsqrt Selu Sigmoid Sign Silu Softmax Softplus Split Sqrt
    Square Squeeze Stack Std Subtract Sum Swapaxes Swish Tanh Transpose TrueDivide Var Where
    """)

# Layers of Keras 2 that call the TensorFlow function which their configuration names.
CALLERS = frozenset(["TFOpLambda", "SlicingOpLambda"])

VALUES = CALLERS | frozenset(
    ["__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__", "__tuple__", "function"]
)

CLASSES = LAYERS | _INITIALIZERS | _REGULARIZERS_AND_CONSTRAINTS | _POLICIES | _TRAINING | OPERATION_CLASSES | VALUES

MODULES = (
    r"(tf_)?keras(\.(layers|models|initializers|regularizers|constraints|dtype_policies|activations|ops|optimizers"
    r"|losses|metrics|random|mixed_precision|optimizers\.schedules))?"
    r"|(tf_)?keras\.src\.engine\.(functional|sequential|training|input_layer)"
    r"|(tf_)?keras\.src\.(models|layers|initializers|regularizers|constraints|dtype_policies|activations|ops|random)"
    r"(\.[a-z0-9_]+)*"
)

ACTIVATIONS = _names("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparsemax squareplus
    swish tanh tanh_shrink threshold
    """)

TENSOR_FUNCTIONS = _names("""
    __operators__.add __operators__.getitem __operators__.multiply __operators__.negative __operators__.pow
    __operators__.subtract __operators__.truediv
    cast clip_by_value compat.v1.transpose concat convert_to_tensor expand_dims identity reshape shape squeeze stack
    transpose image.resize
    math.abs math.add math.divide math.exp math.log math.maximum math.minimum math.multiply math.negative math.pow
    math.reciprocal math.rsqrt math.sigmoid math.softplus math.sqrt math.square math.subtract math.tanh math.truediv
    math.reduce_max math.reduce_mean math.reduce_min math.reduce_std math.reduce_sum math.reduce_variance
    math.l2_normalize linalg.matmul
    nn.avg_pool2d nn.bias_add nn.depth_to_space nn.elu nn.gelu nn.leaky_relu nn.log_softmax nn.max_pool2d nn.relu
    nn.relu6 nn.selu nn.sigmoid nn.silu nn.softmax nn.space_to_depth nn.swish nn.tanh keras.activations.swish
    """)

# Operations of a SavedModel. Nothing here opens a file, starts Python or a program, or talks to a network.
GRAPH_OPERATIONS = _names("""
    Abs Add AddN AddV2 All Any ArgMax ArgMin Assert AssignAddVariableOp AssignSubVariableOp AssignVariableOp AvgPool
    AvgPoolGrad BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd BiasAddGrad Bincount Bitcast
    BroadcastArgs BroadcastGradientArgs BroadcastTo Cast Ceil CheckNumerics ClipByValue Concat ConcatV2 Const Conv2D
    Conv2DBackpropFilter Conv2DBackpropInput Cos CropAndResize Cumprod Cumsum DepthToSpace DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Div DivNoNan DynamicStitch Einsum Elu
    EluGrad EmptyTensorList EnsureShape Equal Erf Exp ExpandDims Expm1 ExtractImagePatches Fill Floor FloorDiv FloorMod
    FusedBatchNorm FusedBatchNormGradV3 FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual
    HSVToRGB Identity IdentityN If ImageProjectiveTransformV2 ImageProjectiveTransformV3 InTopKV2 Inv InvGrad
    InvertPermutation IsFinite IsInf IsNan L2Loss LeakyRelu LeakyReluGrad Less LessEqual LinSpace Log Log1p LogSoftmax
    LogicalAnd LogicalNot LogicalOr LoopCond MatMul Max MaxPool MaxPoolGrad MaxPoolV2 Maximum Mean Merge Min Minimum
    MirrorPad Mod Mul MulNoNan Multinomial Neg NextIteration NoOp NotEqual OneHot OnesLike Pack Pad PadV2
    ParallelConcat PartitionedCall Placeholder PlaceholderWithDefault Pow Prod RGBToHSV RandomShuffle
    RandomStandardNormal RandomUniform RandomUniformInt Range Rank ReadVariableOp RealDiv Reciprocal ReciprocalGrad
    Relu Relu6 Relu6Grad ReluGrad Reshape ResizeArea ResizeBicubic ResizeBilinear ResizeBilinearGrad
    ResizeNearestNeighbor ResourceGather Reverse ReverseV2 RngReadAndSkip RngSkip Roll Round Rsqrt RsqrtGrad
    ScaleAndTranslate ScatterNd Select SelectV2 Selu SeluGrad Shape ShapeN Sigmoid SigmoidGrad Sign Sin Size Slice
    Softmax SoftmaxCrossEntropyWithLogits Softplus SoftplusGrad Softsign SpaceToBatchND SpaceToDepth
    SparseSoftmaxCrossEntropyWithLogits Split SplitV Sqrt SqrtGrad Square SquaredDifference Squeeze
    StatefulPartitionedCall StatelessIf StatelessRandomGetAlg StatelessRandomGetCounter
    StatelessRandomGetKeyCounter StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformInt StatelessRandomUniformIntV2
    StatelessRandomUniformV2 StatelessTruncatedNormal StatelessTruncatedNormalV2 StatelessWhile StopGradient
    StridedSlice StridedSliceGrad Sub Sum Switch Tan Tanh TanhGrad TensorListFromTensor TensorListGetItem
    TensorListReserve TensorListSetItem TensorListStack Tile TopK TopKV2 Transpose TruncateDiv TruncateMod
    TruncatedNormal Unpack UnsortedSegmentSum VarHandleOp VarIsInitializedOp Where While Xdivy Xlogy ZerosLike
    AdjustContrastv2 AdjustHue AdjustSaturation StatefulStandardNormalV2 StatefulUniform StatefulUniformFullInt
    StatefulUniformInt StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessShuffle
    TensorListConcatV2 TensorListElementShape TensorListLength TensorListPushBack TensorListPopBack
    DisableCopyOnRead ResourceApplyAdam ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum
    ResourceApplyRMSProp
    """)

# Keras writes one function that saves and one that restores the variables; they may do that and nothing else.
SAVER_OPERATIONS = frozenset(
    ["MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename", "StaticRegexFullMatch", "StringJoin"]
)
