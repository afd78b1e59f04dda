package stub

import java.io.File

/**
 * A runtime that computes nothing: below `-Dreplay` it leaves the bytes of the inputs of its n-th
 * run as n.input.NAME, and answers with those of n.output.NAME.
 */
object Replay {
    private val folder = File(System.getProperty("replay"))
    private var runs = 0

    fun run(inputs: Map<String, ByteArray>, outputs: List<String>): List<ByteArray> {
        for ((name, bytes) in inputs) File(folder, "$runs.input.$name").writeBytes(bytes)
        return outputs.map { File(folder, "$runs.output.$it").readBytes() }.also { runs += 1 }
    }
}
