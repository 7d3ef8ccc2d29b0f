"""The engines that stand behind the product, and the cases on which they must answer alike."""
