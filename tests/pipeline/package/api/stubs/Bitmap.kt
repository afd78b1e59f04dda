package android.graphics

/** ARGB colors, row by row. */
class Bitmap(val width: Int, val height: Int, private val colors: IntArray) {
    fun getPixels(
        pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int
    ) {
        for (row in 0 until height) {
            for (column in 0 until width) {
                pixels[offset + row * stride + column] = colors[(y + row) * this.width + x + column]
            }
        }
    }
}
