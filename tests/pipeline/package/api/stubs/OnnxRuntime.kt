// The part of ai.onnxruntime 1.31.0 that the generated API calls (its Java API), replayed.

package ai.onnxruntime

import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import java.nio.IntBuffer
import java.nio.LongBuffer
import stub.Replay

enum class OnnxJavaType { FLOAT, DOUBLE, INT8, INT16, INT32, INT64, BOOL, STRING, UINT8 }

interface OnnxValue : AutoCloseable

class OnnxTensor internal constructor(internal val bytes: ByteArray) : OnnxValue {
    val floatBuffer: FloatBuffer get() = FloatBuffer.wrap(floats())

    val intBuffer: IntBuffer get() = IntBuffer.wrap(IntArray(bytes.size / 4).also { ordered().asIntBuffer().get(it) })

    val longBuffer: LongBuffer get() = LongBuffer.wrap(LongArray(bytes.size / 8).also { ordered().asLongBuffer().get(it) })

    val byteBuffer: ByteBuffer get() = ordered()

    override fun close() = Unit

    private fun ordered(): ByteBuffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)

    private fun floats() = FloatArray(bytes.size / 4).also { ordered().asFloatBuffer().get(it) }

    companion object {
        @JvmStatic
        fun createTensor(env: OrtEnvironment, data: FloatBuffer, shape: LongArray): OnnxTensor =
            tensor(data, shape, 4) { it.asFloatBuffer().put(data.duplicate()) }

        @JvmStatic
        fun createTensor(env: OrtEnvironment, data: IntBuffer, shape: LongArray): OnnxTensor =
            tensor(data, shape, 4) { it.asIntBuffer().put(data.duplicate()) }

        @JvmStatic
        fun createTensor(env: OrtEnvironment, data: LongBuffer, shape: LongArray): OnnxTensor =
            tensor(data, shape, 8) { it.asLongBuffer().put(data.duplicate()) }

        @JvmStatic
        fun createTensor(
            env: OrtEnvironment, data: ByteBuffer, shape: LongArray, type: OnnxJavaType
        ): OnnxTensor {
            check(type in listOf(OnnxJavaType.INT8, OnnxJavaType.UINT8, OnnxJavaType.BOOL))
            check(data.isDirect && data.order() == ByteOrder.nativeOrder())
            return tensor(data, shape, 1) { it.put(data.duplicate()) }
        }

        private fun tensor(
            data: Buffer, shape: LongArray, size: Int, put: (ByteBuffer) -> Unit
        ): OnnxTensor {
            check(data.remaining().toLong() == shape.fold(1L) { product, each -> product * each })
            val copy = ByteBuffer.allocate(size * data.remaining()).order(ByteOrder.LITTLE_ENDIAN)
            put(copy)
            return OnnxTensor(copy.array())
        }
    }
}

class OrtEnvironment private constructor() {
    fun createSession(model: ByteArray, options: OrtSession.SessionOptions): OrtSession {
        check(model.isNotEmpty())
        return OrtSession()
    }

    companion object {
        private val ONLY = OrtEnvironment()

        @JvmStatic
        fun getEnvironment(): OrtEnvironment = ONLY
    }
}

class OrtSession internal constructor() : AutoCloseable {
    class SessionOptions : AutoCloseable {
        fun setIntraOpNumThreads(count: Int) = check(count > 0)

        fun setInterOpNumThreads(count: Int) = check(count > 0)

        fun addConfigEntry(key: String, value: String) = check(key != value)

        override fun close() = Unit
    }

    class Result internal constructor(private val found: List<OnnxValue>) : AutoCloseable {
        fun get(index: Int): OnnxValue = found[index]

        override fun close() = Unit
    }

    fun run(inputs: Map<String, OnnxTensor>, wanted: Set<String>): Result {
        val given = inputs.values.withIndex().associate { it.index.toString() to it.value.bytes }
        val places = wanted.indices.map { it.toString() }
        return Result(Replay.run(given, places).map { OnnxTensor(it) })
    }

    override fun close() = Unit
}
