// The part of com.google.ai.edge.litert 2.3.0 that the generated API calls (CompiledModel, Model.kt
// and TensorBuffer.kt of LiteRT), replayed.

package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.nio.ByteBuffer
import java.nio.ByteOrder
import stub.Replay

enum class Accelerator { NONE, CPU, GPU, NPU }

class TensorBuffer internal constructor() : AutoCloseable {
    internal var bytes = ByteArray(0)

    fun writeInt(data: IntArray) = fill(4 * data.size) { buffer -> data.forEach { buffer.putInt(it) } }

    fun writeFloat(data: FloatArray) =
        fill(4 * data.size) { buffer -> data.forEach { buffer.putFloat(it) } }

    fun writeInt8(data: ByteArray) = fill(data.size) { buffer -> buffer.put(data) }

    fun writeBoolean(data: BooleanArray) =
        fill(data.size) { buffer -> data.forEach { buffer.put((if (it) 1 else 0).toByte()) } }

    fun writeLong(data: LongArray) =
        fill(8 * data.size) { buffer -> data.forEach { buffer.putLong(it) } }

    fun readInt(): IntArray = read().let { buffer -> IntArray(bytes.size / 4) { buffer.getInt() } }

    fun readFloat(): FloatArray =
        read().let { buffer -> FloatArray(bytes.size / 4) { buffer.getFloat() } }

    fun readInt8(): ByteArray = bytes

    fun readBoolean(): BooleanArray = BooleanArray(bytes.size) { bytes[it].toInt() != 0 }

    fun readLong(): LongArray = read().let { buffer -> LongArray(bytes.size / 8) { buffer.getLong() } }

    override fun close() = Unit

    private fun read() = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)

    private fun fill(size: Int, put: (ByteBuffer) -> Unit) {
        val buffer = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN)
        put(buffer)
        bytes = buffer.array()
    }
}

class CompiledModel private constructor() : AutoCloseable {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null
    )

    class Options(internal vararg val accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null

        companion object {
            @JvmStatic
            val CPU = Options(Accelerator.CPU)
        }
    }

    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = buffers("inputs")

    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = buffers("outputs")

    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0) {
        val given = inputs.withIndex().associate { it.index.toString() to it.value.bytes }
        val found = Replay.run(given, outputs.indices.map { it.toString() })
        outputs.forEachIndexed { index, buffer -> buffer.bytes = found[index] }
    }

    override fun close() = Unit

    private fun buffers(kind: String) = List(System.getProperty(kind).toInt()) { TensorBuffer() }

    companion object {
        @JvmStatic
        @JvmOverloads
        fun create(
            assetManager: AssetManager, assetName: String, options: Options = Options.CPU
        ): CompiledModel {
            assetManager.open(assetName).close()
            return CompiledModel()
        }
    }
}
